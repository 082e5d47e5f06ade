/* raft_pg--1.0.sql: functions and views in the target schema, internals in schema raft */

-- complain if the script is sourced in psql rather than by CREATE EXTENSION
\echo Use "CREATE EXTENSION raft_pg" to load this file. \quit

CREATE SCHEMA raft;
COMMENT ON SCHEMA raft IS 'raft_pg: log, state and internals of the Raft group of this database';

-- ---------------------------------------------------------------------------
-- The log
-- ---------------------------------------------------------------------------

CREATE FUNCTION raft.log_handler(internal) RETURNS table_am_handler
    AS 'MODULE_PATHNAME', 'raft_log_handler' LANGUAGE c STRICT;
COMMENT ON FUNCTION raft.log_handler(internal) IS 'handler of access method raft_log';

CREATE ACCESS METHOD raft_log TYPE TABLE HANDLER raft.log_handler;
COMMENT ON ACCESS METHOD raft_log IS 'pages of the Raft log, read-only in SQL';

CREATE TABLE raft.log (
    index       bigint NOT NULL,
    term        bigint NOT NULL,
    kind        text NOT NULL,
    node_id     integer NOT NULL,
    proposed_at timestamptz NOT NULL,
    command     bytea
) USING raft_log;
COMMENT ON TABLE raft.log IS 'entries of the Raft log of this node, committed or not';
COMMENT ON COLUMN raft.log.index IS 'position in the log, from 1';
COMMENT ON COLUMN raft.log.term IS 'term of the leader that took the entry into the log';
COMMENT ON COLUMN raft.log.kind IS 'no-op, configuration, command, set-apply or skip; "unknown" and its number for what only a newer version executes';
COMMENT ON COLUMN raft.log.node_id IS 'node whose session proposed the entry; 0 for the leader itself';
COMMENT ON COLUMN raft.log.proposed_at IS 'clock of the leader when it took the entry';
COMMENT ON COLUMN raft.log.command IS 'what was proposed';

-- ---------------------------------------------------------------------------
-- This node, and what it has applied
-- ---------------------------------------------------------------------------

CREATE TABLE raft.node (
    node       text NOT NULL,
    node_id    integer NOT NULL,
    group_id   uuid NOT NULL,
    bootstrap  bytea NOT NULL,
    members    jsonb NOT NULL,
    created_at timestamptz NOT NULL
);
COMMENT ON TABLE raft.node IS 'identity that raft_start() gave this database; at most one row';
COMMENT ON COLUMN raft.node.node IS 'name of this node';
COMMENT ON COLUMN raft.node.node_id IS 'number of this node in the group';
COMMENT ON COLUMN raft.node.group_id IS 'identity of the group, the same on every node';
COMMENT ON COLUMN raft.node.bootstrap IS 'first configuration of the group as it stands in entry 1 of the log';
COMMENT ON COLUMN raft.node.members IS 'members given to raft_start(): name and connection string';
COMMENT ON COLUMN raft.node.created_at IS 'when raft_start() was first called here';

-- One row, updated with every batch of commands, so it has no index, leaves room on the
-- page for HOT updates, and is vacuumed when old snapshots let dead versions pile up.
CREATE TABLE raft.applied (
    applied_index  bigint NOT NULL,
    failures       bigint NOT NULL,
    apply_function text
) WITH (fillfactor = 10, vacuum_truncate = off,
        autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0,
        autovacuum_analyze_threshold = 1000000000);
INSERT INTO raft.applied VALUES (0, 0, NULL);
COMMENT ON TABLE raft.applied IS 'how far this database has applied the log; changed in the transaction of the commands themselves';
COMMENT ON COLUMN raft.applied.applied_index IS 'every entry up to here is applied; pg_stat_raft may be ahead where nothing had to be stored';
COMMENT ON COLUMN raft.applied.failures IS 'commands up to there whose result is an error';
COMMENT ON COLUMN raft.applied.apply_function IS 'function that gets each command, as set by raft_set_apply()';

CREATE TABLE raft.failures (
    index     bigint NOT NULL PRIMARY KEY,
    number    bigint NOT NULL,
    term      bigint NOT NULL,
    sqlstate  text NOT NULL,
    message   text NOT NULL,
    failed_at timestamptz NOT NULL
);
COMMENT ON TABLE raft.failures IS 'the newest raft_pg.max_failures commands whose result is an error; rows may be deleted at any time';
COMMENT ON COLUMN raft.failures.index IS 'position of the command in the log';
COMMENT ON COLUMN raft.failures.number IS 'counts the failures from the beginning of the log';
COMMENT ON COLUMN raft.failures.term IS 'term of its entry';
COMMENT ON COLUMN raft.failures.sqlstate IS 'error code that the apply function raised; 57000 when the command was skipped';
COMMENT ON COLUMN raft.failures.message IS 'primary message of that error, its first 4096 bytes';
COMMENT ON COLUMN raft.failures.failed_at IS 'when this node applied it';

CREATE TABLE raft.skips (
    index      bigint NOT NULL PRIMARY KEY,
    decided_at bigint NOT NULL,
    executed   boolean NOT NULL,
    noted_at   timestamptz NOT NULL
);
COMMENT ON TABLE raft.skips IS 'commands that the group has decided not to execute: they have no effects here';
COMMENT ON COLUMN raft.skips.index IS 'position of the command in the log';
COMMENT ON COLUMN raft.skips.decided_at IS 'position of the entry by which raft_skip() has decided it';
COMMENT ON COLUMN raft.skips.executed IS 'this node had executed it before it learned of that, and raft_skip_undone() vouches that its effects were taken back';
COMMENT ON COLUMN raft.skips.noted_at IS 'when this node skipped it, or when that was vouched for';

-- raft_pg writes these tables without SQL, which fires no trigger: whoever comes here is
-- somebody else.
CREATE FUNCTION raft.refuse_change() RETURNS trigger
    AS 'MODULE_PATHNAME', 'raft_refuse_change' LANGUAGE c;
COMMENT ON FUNCTION raft.refuse_change() IS 'trigger of tables that raft_pg alone writes';

CREATE TRIGGER refuse_change BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON raft.node
    EXECUTE FUNCTION raft.refuse_change();
CREATE TRIGGER refuse_change BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON raft.applied
    EXECUTE FUNCTION raft.refuse_change();
CREATE TRIGGER refuse_change BEFORE INSERT OR UPDATE ON raft.failures
    EXECUTE FUNCTION raft.refuse_change();
CREATE TRIGGER refuse_change BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON raft.skips
    EXECUTE FUNCTION raft.refuse_change();
ALTER TABLE raft.node ENABLE ALWAYS TRIGGER refuse_change;
ALTER TABLE raft.applied ENABLE ALWAYS TRIGGER refuse_change;
ALTER TABLE raft.failures ENABLE ALWAYS TRIGGER refuse_change;
ALTER TABLE raft.skips ENABLE ALWAYS TRIGGER refuse_change;

-- ---------------------------------------------------------------------------
-- Between nodes
-- ---------------------------------------------------------------------------

CREATE TABLE raft.peers (
    node_id    integer NOT NULL PRIMARY KEY,
    log_id     bigint NOT NULL,
    first_seen timestamptz NOT NULL,
    incarnation  bigint NOT NULL,
    boot_count   bigint NOT NULL,
    start_seen   timestamptz NOT NULL,
    acknowledged bigint NOT NULL,
    term         bigint NOT NULL
) WITH (fillfactor = 50, vacuum_truncate = off);
COMMENT ON TABLE raft.peers IS 'what this node knows of each other member; one that comes with another log once the group is formed, or with less, has lost what it acknowledged and is refused';
COMMENT ON COLUMN raft.peers.node_id IS 'number of the member in the group';
COMMENT ON COLUMN raft.peers.log_id IS 'random number that its log got when it was created';
COMMENT ON COLUMN raft.peers.first_seen IS 'when this node first met it';
COMMENT ON COLUMN raft.peers.incarnation IS 'random number of its last start that was met here';
COMMENT ON COLUMN raft.peers.boot_count IS 'how often it had started then';
COMMENT ON COLUMN raft.peers.start_seen IS 'when that start was met';
COMMENT ON COLUMN raft.peers.acknowledged IS 'it has acknowledged committed entries up to this index to this node; written a few seconds later';
COMMENT ON COLUMN raft.peers.term IS 'highest term in which it spoke to this node; likewise';

CREATE TABLE raft.resets (
    incarnation bigint NOT NULL,
    reset_at    timestamptz NOT NULL,
    reset_by    name NOT NULL
);
COMMENT ON TABLE raft.resets IS 'calls of raft_reset_identity()';
COMMENT ON COLUMN raft.resets.incarnation IS 'last start before; the call is good for the state that this start left';
COMMENT ON COLUMN raft.resets.reset_at IS 'when it was called';
COMMENT ON COLUMN raft.resets.reset_by IS 'who called it';

CREATE TRIGGER refuse_change BEFORE INSERT OR UPDATE OR TRUNCATE ON raft.peers
    EXECUTE FUNCTION raft.refuse_change();
-- a superuser may make this node forget a member
CREATE TRIGGER refuse_delete BEFORE DELETE ON raft.peers
    EXECUTE FUNCTION raft.refuse_change('superuser');
CREATE TRIGGER refuse_change BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON raft.resets
    EXECUTE FUNCTION raft.refuse_change();
ALTER TABLE raft.peers ENABLE ALWAYS TRIGGER refuse_change;
ALTER TABLE raft.peers ENABLE ALWAYS TRIGGER refuse_delete;
ALTER TABLE raft.resets ENABLE ALWAYS TRIGGER refuse_change;

CREATE PROCEDURE raft.stream(protocol integer, group_id uuid, sender integer, sender_name text,
                             sender_log bigint, sender_boot bigint, incarnation bigint,
                             former_starts bigint[], last_index bigint, sender_term bigint,
                             environment text, recipient text)
    AS 'MODULE_PATHNAME', 'raft_stream' LANGUAGE c;
COMMENT ON PROCEDURE raft.stream
    IS 'takes the messages of another node; called by its worker only';

-- ---------------------------------------------------------------------------
-- Start and stop
-- ---------------------------------------------------------------------------

CREATE FUNCTION @extschema@.raft_start(node text DEFAULT NULL, members json DEFAULT NULL,
                                       cluster_name text DEFAULT NULL,
                                       OUT node text, OUT node_id integer, OUT group_id uuid)
    AS 'MODULE_PATHNAME', 'raft_sql_start' LANGUAGE c;
COMMENT ON FUNCTION @extschema@.raft_start(text, json, text)
    IS 'makes this database a node of a Raft group and starts it at commit';

CREATE FUNCTION @extschema@.raft_stop() RETURNS boolean
    AS 'MODULE_PATHNAME', 'raft_sql_stop' LANGUAGE c;
COMMENT ON FUNCTION @extschema@.raft_stop()
    IS 'stops the Raft workers of this database at commit; identity and log are kept; false when it was not started';

CREATE FUNCTION @extschema@.raft_reset_identity() RETURNS void
    AS 'MODULE_PATHNAME', 'raft_sql_reset_identity' LANGUAGE c;
COMMENT ON FUNCTION @extschema@.raft_reset_identity()
    IS 'vouches that this directory holds the newest state of the node and will be its only one, for the next raft_start(); for superusers';

-- ---------------------------------------------------------------------------
-- Proposing
-- ---------------------------------------------------------------------------

CREATE FUNCTION @extschema@.raft_propose(command bytea, timeout interval DEFAULT NULL) RETURNS bigint
    AS 'MODULE_PATHNAME', 'raft_sql_propose' LANGUAGE c;
COMMENT ON FUNCTION @extschema@.raft_propose(bytea, interval)
    IS 'proposes a command, waits until it is applied here, returns its index';

CREATE FUNCTION @extschema@.raft_propose(command text, timeout interval DEFAULT NULL) RETURNS bigint
    AS 'MODULE_PATHNAME', 'raft_sql_propose' LANGUAGE c;
COMMENT ON FUNCTION @extschema@.raft_propose(text, interval)
    IS 'the same for text, sent as its bytes in the encoding of this database';

CREATE FUNCTION @extschema@.raft_propose(command jsonb, timeout interval DEFAULT NULL) RETURNS bigint
    AS 'MODULE_PATHNAME', 'raft_sql_propose_jsonb' LANGUAGE c;
COMMENT ON FUNCTION @extschema@.raft_propose(jsonb, interval)
    IS 'the same for jsonb, sent as the bytes of its text';

CREATE FUNCTION @extschema@.raft_propose_async(command bytea, OUT index bigint, OUT term bigint,
                                               OUT is_leader boolean)
    AS 'MODULE_PATHNAME', 'raft_sql_propose_async' LANGUAGE c;
COMMENT ON FUNCTION @extschema@.raft_propose_async(bytea)
    IS 'proposes a command and returns its place in the log of the leader without waiting for the others';

CREATE FUNCTION @extschema@.raft_propose_async(command text, OUT index bigint, OUT term bigint,
                                               OUT is_leader boolean)
    AS 'MODULE_PATHNAME', 'raft_sql_propose_async' LANGUAGE c;
COMMENT ON FUNCTION @extschema@.raft_propose_async(text)
    IS 'the same for text, sent as its bytes in the encoding of this database';

CREATE FUNCTION @extschema@.raft_propose_async(command jsonb, OUT index bigint, OUT term bigint,
                                               OUT is_leader boolean)
    AS 'MODULE_PATHNAME', 'raft_sql_propose_async_jsonb' LANGUAGE c;
COMMENT ON FUNCTION @extschema@.raft_propose_async(jsonb)
    IS 'the same for jsonb, sent as the bytes of its text';

CREATE FUNCTION @extschema@.raft_wait(index bigint, term bigint DEFAULT NULL, timeout interval DEFAULT NULL)
    RETURNS boolean
    AS 'MODULE_PATHNAME', 'raft_sql_wait' LANGUAGE c;
COMMENT ON FUNCTION @extschema@.raft_wait(bigint, bigint, interval)
    IS 'waits until the entry at index is applied here; false after the timeout; an error when another term stands there';

CREATE FUNCTION @extschema@.raft_set_apply(apply_function regprocedure, timeout interval DEFAULT NULL)
    RETURNS bigint
    AS 'MODULE_PATHNAME', 'raft_sql_set_apply' LANGUAGE c;
COMMENT ON FUNCTION @extschema@.raft_set_apply(regprocedure, interval)
    IS 'sets the function (bigint, bytea) that gets every command from here on, on every node; NULL for none';

CREATE FUNCTION @extschema@.raft_set_apply(apply_function text, timeout interval DEFAULT NULL)
    RETURNS bigint
    AS 'MODULE_PATHNAME', 'raft_sql_set_apply_by_name' LANGUAGE c;
COMMENT ON FUNCTION @extschema@.raft_set_apply(text, interval)
    IS 'the same by its name, with or without argument types';

CREATE FUNCTION @extschema@.raft_skip(index bigint, force boolean DEFAULT false, timeout interval DEFAULT NULL)
    RETURNS bigint
    AS 'MODULE_PATHNAME', 'raft_sql_skip' LANGUAGE c;
COMMENT ON FUNCTION @extschema@.raft_skip(bigint, boolean, interval)
    IS 'decides that the command at index, at which the appliers are stuck, is executed on no node; with force also while a member cannot be asked; for superusers';

CREATE FUNCTION @extschema@.raft_skip_undone(index bigint) RETURNS void
    AS 'MODULE_PATHNAME', 'raft_sql_skip_undone' LANGUAGE c;
COMMENT ON FUNCTION @extschema@.raft_skip_undone(bigint)
    IS 'vouches that the effects of a skipped command, which this node had executed, were taken back; for superusers';

-- ---------------------------------------------------------------------------
-- State
-- ---------------------------------------------------------------------------

CREATE FUNCTION @extschema@.raft_state(OUT node text, OUT role text, OUT term bigint, OUT leader text,
                                       OUT commit_index bigint, OUT applied_index bigint,
                                       OUT last_index bigint, OUT has_quorum boolean,
                                       OUT state text, OUT error text)
    AS 'MODULE_PATHNAME', 'raft_sql_state' LANGUAGE c;
COMMENT ON FUNCTION @extschema@.raft_state() IS 'role, term, leader and positions of this node';

CREATE FUNCTION @extschema@.raft_is_leader() RETURNS boolean
    AS 'MODULE_PATHNAME', 'raft_sql_is_leader' LANGUAGE c;
COMMENT ON FUNCTION @extschema@.raft_is_leader() IS 'true while this node leads its group and has heard from a majority within the election timeout';

CREATE FUNCTION @extschema@.raft_leader() RETURNS text
    AS 'MODULE_PATHNAME', 'raft_sql_leader' LANGUAGE c;
COMMENT ON FUNCTION @extschema@.raft_leader() IS 'name of the leader; null while none was heard from within the election timeout';

CREATE FUNCTION raft.member_list(OUT node text, OUT node_id integer, OUT role text, OUT conninfo text,
                                 OUT is_self boolean, OUT is_leader boolean)
    RETURNS SETOF record
    AS 'MODULE_PATHNAME', 'raft_sql_members' LANGUAGE c ROWS 5;
COMMENT ON FUNCTION raft.member_list() IS 'rows of raft.members';

CREATE VIEW raft.members AS
    SELECT node, node_id, role, conninfo, is_self, is_leader FROM raft.member_list();
COMMENT ON VIEW raft.members IS 'members of the active configuration; of the first one while stopped';
COMMENT ON COLUMN raft.members.node IS 'name of the member';
COMMENT ON COLUMN raft.members.node_id IS 'its number in the group';
COMMENT ON COLUMN raft.members.role IS 'voter or learner';
COMMENT ON COLUMN raft.members.conninfo IS 'how other nodes connect to it';
COMMENT ON COLUMN raft.members.is_self IS 'it is this node';
COMMENT ON COLUMN raft.members.is_leader IS 'it is the leader, as far as this node knows';

CREATE FUNCTION raft.stat(OUT node text, OUT node_id integer, OUT group_id uuid, OUT state text,
                          OUT role text, OUT role_since timestamptz, OUT term bigint, OUT vote text,
                          OUT leader text, OUT leader_contact timestamptz, OUT has_quorum boolean,
                          OUT first_index bigint, OUT last_index bigint, OUT durable_index bigint,
                          OUT commit_index bigint, OUT applied_index bigint,
                          OUT durable_applied_index bigint, OUT floor_index bigint,
                          OUT log_bytes bigint, OUT log_capacity bigint,
                          OUT log_held_by text, OUT log_held_from bigint, OUT log_held_since timestamptz,
                          OUT boot_count bigint, OUT elections bigint, OUT leaderships bigint,
                          OUT messages_received bigint, OUT messages_refused bigint,
                          OUT bytes_received bigint, OUT proposals bigint, OUT proposals_refused bigint,
                          OUT flushes bigint, OUT entries_appended bigint, OUT turns bigint,
                          OUT apply_transactions bigint, OUT commands bigint, OUT failures bigint,
                          OUT apply_retries bigint, OUT apply_error text,
                          OUT apply_error_time timestamptz, OUT apply_error_index bigint,
                          OUT apply_blocked_on text,
                          OUT apply_blocked_by integer[], OUT apply_blocked_since timestamptz,
                          OUT started_at timestamptz, OUT stats_reset timestamptz)
    RETURNS SETOF record
    AS 'MODULE_PATHNAME', 'raft_sql_stat' LANGUAGE c ROWS 1;
COMMENT ON FUNCTION raft.stat() IS 'the row of pg_stat_raft';

CREATE VIEW @extschema@.pg_stat_raft AS SELECT * FROM raft.stat();
COMMENT ON VIEW @extschema@.pg_stat_raft
    IS 'figures of the Raft group of this database since its workers started; no row while it is stopped';
COMMENT ON COLUMN @extschema@.pg_stat_raft.node IS 'name of this node';
COMMENT ON COLUMN @extschema@.pg_stat_raft.node_id IS 'number of this node in the group';
COMMENT ON COLUMN @extschema@.pg_stat_raft.group_id IS 'identity of the group, the same on every node';
COMMENT ON COLUMN @extschema@.pg_stat_raft.state IS 'starting, running, stopping or failed; stale: the node worker stands still, the figures are its last';
COMMENT ON COLUMN @extschema@.pg_stat_raft.role IS 'follower, pre-candidate, candidate or leader';
COMMENT ON COLUMN @extschema@.pg_stat_raft.role_since IS 'when this node took its role';
COMMENT ON COLUMN @extschema@.pg_stat_raft.term IS 'current term';
COMMENT ON COLUMN @extschema@.pg_stat_raft.vote IS 'node voted for in the current term';
COMMENT ON COLUMN @extschema@.pg_stat_raft.leader IS 'leader of the current term; null while none was heard from within the election timeout';
COMMENT ON COLUMN @extschema@.pg_stat_raft.leader_contact IS 'last message of the leader';
COMMENT ON COLUMN @extschema@.pg_stat_raft.has_quorum IS 'leader: a majority was heard from within the election timeout; else: the leader was, and it takes this node''s stream';
COMMENT ON COLUMN @extschema@.pg_stat_raft.first_index IS 'oldest entry still in the log';
COMMENT ON COLUMN @extschema@.pg_stat_raft.last_index IS 'newest entry in the log';
COMMENT ON COLUMN @extschema@.pg_stat_raft.durable_index IS 'newest entry that survives a crash here';
COMMENT ON COLUMN @extschema@.pg_stat_raft.commit_index IS 'newest entry known to be committed';
COMMENT ON COLUMN @extschema@.pg_stat_raft.applied_index IS 'newest entry whose effects can be read here';
COMMENT ON COLUMN @extschema@.pg_stat_raft.durable_applied_index IS 'newest entry whose effects survive a crash here';
COMMENT ON COLUMN @extschema@.pg_stat_raft.floor_index IS 'every member has the log up to here';
COMMENT ON COLUMN @extschema@.pg_stat_raft.log_bytes IS 'bytes held by the entries in the log';
COMMENT ON COLUMN @extschema@.pg_stat_raft.log_capacity IS 'bytes that the log can hold';
COMMENT ON COLUMN @extschema@.pg_stat_raft.log_held_by IS 'log more than half full: member without which its oldest entries cannot be dropped, as far as this node knows';
COMMENT ON COLUMN @extschema@.pg_stat_raft.log_held_from IS 'first entry that this member lacks, or, this node, has not applied durably; null when it has confirmed nothing to this leader';
COMMENT ON COLUMN @extschema@.pg_stat_raft.log_held_since IS 'since when it has confirmed nothing';
COMMENT ON COLUMN @extschema@.pg_stat_raft.boot_count IS 'how often this node has started';
COMMENT ON COLUMN @extschema@.pg_stat_raft.elections IS 'campaigns begun here';
COMMENT ON COLUMN @extschema@.pg_stat_raft.leaderships IS 'elections won here';
COMMENT ON COLUMN @extschema@.pg_stat_raft.messages_received IS 'messages from other nodes';
COMMENT ON COLUMN @extschema@.pg_stat_raft.messages_refused IS 'messages that did not decode or were not meant for this node';
COMMENT ON COLUMN @extschema@.pg_stat_raft.bytes_received IS 'bytes of messages from other nodes';
COMMENT ON COLUMN @extschema@.pg_stat_raft.proposals IS 'commands that sessions here proposed';
COMMENT ON COLUMN @extschema@.pg_stat_raft.proposals_refused IS 'of these, not taken into the log';
COMMENT ON COLUMN @extschema@.pg_stat_raft.flushes IS 'flushes of the log to disk';
COMMENT ON COLUMN @extschema@.pg_stat_raft.entries_appended IS 'entries appended to the log';
COMMENT ON COLUMN @extschema@.pg_stat_raft.turns IS 'turns of the node worker''s main loop';
COMMENT ON COLUMN @extschema@.pg_stat_raft.apply_transactions IS 'transactions of the applier';
COMMENT ON COLUMN @extschema@.pg_stat_raft.commands IS 'commands applied';
COMMENT ON COLUMN @extschema@.pg_stat_raft.failures IS 'of these, commands whose result is an error';
COMMENT ON COLUMN @extschema@.pg_stat_raft.apply_retries IS 'transactions of the applier that failed for reasons of this server and were tried again';
COMMENT ON COLUMN @extschema@.pg_stat_raft.apply_error IS 'why the applier does not proceed; null when it does';
COMMENT ON COLUMN @extschema@.pg_stat_raft.apply_error_time IS 'when that happened last';
COMMENT ON COLUMN @extschema@.pg_stat_raft.apply_error_index IS 'entry that it cannot apply; null when it cannot work on any';
COMMENT ON COLUMN @extschema@.pg_stat_raft.apply_blocked_on IS 'what the lock is on for which the applier waits now; null when it waits for none';
COMMENT ON COLUMN @extschema@.pg_stat_raft.apply_blocked_by IS 'processes that keep it waiting; 0 for a prepared transaction';
COMMENT ON COLUMN @extschema@.pg_stat_raft.apply_blocked_since IS 'when that wait began';
COMMENT ON COLUMN @extschema@.pg_stat_raft.started_at IS 'start of the node worker: its counters began at 0';
COMMENT ON COLUMN @extschema@.pg_stat_raft.stats_reset IS 'last raft_stat_reset(); null when there was none since raft_start()';

CREATE FUNCTION raft.stat_replication(OUT node text, OUT node_id integer, OUT role text, OUT link text,
                                      OUT progress text, OUT match_index bigint, OUT next_index bigint,
                                      OUT inflight integer, OUT lag bigint, OUT lag_time interval,
                                      OUT last_contact timestamptz,
                                      OUT problem text,
                                      OUT sent_messages bigint, OUT sent_bytes bigint,
                                      OUT dropped_messages bigint, OUT connects bigint,
                                      OUT last_connect timestamptz, OUT last_error text,
                                      OUT last_error_time timestamptz, OUT refused_since timestamptz,
                                      OUT next_attempt timestamptz,
                                      OUT incoming boolean, OUT incoming_error text,
                                      OUT incoming_error_time timestamptz)
    RETURNS SETOF record
    AS 'MODULE_PATHNAME', 'raft_sql_stat_replication' LANGUAGE c ROWS 4;
COMMENT ON FUNCTION raft.stat_replication() IS 'rows of pg_stat_raft_replication';

CREATE VIEW @extschema@.pg_stat_raft_replication AS SELECT * FROM raft.stat_replication();
COMMENT ON VIEW @extschema@.pg_stat_raft_replication
    IS 'this node''s connections to its peers and, on the leader, their progress; no row while it is stopped';
COMMENT ON COLUMN @extschema@.pg_stat_raft_replication.node IS 'name of the peer';
COMMENT ON COLUMN @extschema@.pg_stat_raft_replication.node_id IS 'number of the peer in the group';
COMMENT ON COLUMN @extschema@.pg_stat_raft_replication.role IS 'voter or learner';
COMMENT ON COLUMN @extschema@.pg_stat_raft_replication.link IS 'outgoing stream: waiting, resolving, connecting, calling or streaming';
COMMENT ON COLUMN @extschema@.pg_stat_raft_replication.progress IS 'leader: probe until the logs agree, then replicate; else null';
COMMENT ON COLUMN @extschema@.pg_stat_raft_replication.match_index IS 'leader: newest entry known to be durable on the peer, null until it has confirmed one to this leader; else null';
COMMENT ON COLUMN @extschema@.pg_stat_raft_replication.next_index IS 'leader: next entry to send; else null';
COMMENT ON COLUMN @extschema@.pg_stat_raft_replication.inflight IS 'leader: appends sent and not answered; else null';
COMMENT ON COLUMN @extschema@.pg_stat_raft_replication.lag IS 'leader: entries of the log that the peer has not confirmed, null until it has confirmed one to this leader; else null';
COMMENT ON COLUMN @extschema@.pg_stat_raft_replication.lag_time IS 'leader: age of the oldest of these entries; else null';
COMMENT ON COLUMN @extschema@.pg_stat_raft_replication.last_contact IS 'leader: last answer of the peer in this term; else null';
COMMENT ON COLUMN @extschema@.pg_stat_raft_replication.problem IS 'leader: why the peer counts for nothing in this term; null when it counts';
COMMENT ON COLUMN @extschema@.pg_stat_raft_replication.sent_messages IS 'messages handed to the connection';
COMMENT ON COLUMN @extschema@.pg_stat_raft_replication.sent_bytes IS 'bytes of these messages';
COMMENT ON COLUMN @extschema@.pg_stat_raft_replication.dropped_messages IS 'messages dropped: no stream, or a full socket';
COMMENT ON COLUMN @extschema@.pg_stat_raft_replication.connects IS 'streams established';
COMMENT ON COLUMN @extschema@.pg_stat_raft_replication.last_connect IS 'when the last one was established';
COMMENT ON COLUMN @extschema@.pg_stat_raft_replication.last_error IS 'why there is no outgoing stream; null while there is one';
COMMENT ON COLUMN @extschema@.pg_stat_raft_replication.last_error_time IS 'when that was';
COMMENT ON COLUMN @extschema@.pg_stat_raft_replication.refused_since IS 'the peer''s server is reached and refuses this node''s stream, for the reason in last_error';
COMMENT ON COLUMN @extschema@.pg_stat_raft_replication.next_attempt IS 'when the peer is dialled again; null while it is being dialled, or a stream is open';
COMMENT ON COLUMN @extschema@.pg_stat_raft_replication.incoming IS 'a stream from the peer is open';
COMMENT ON COLUMN @extschema@.pg_stat_raft_replication.incoming_error IS 'why this node refuses the stream of the peer; null once one was accepted';
COMMENT ON COLUMN @extschema@.pg_stat_raft_replication.incoming_error_time IS 'when it did so last';

CREATE FUNCTION raft.sessions(OUT pid integer, OUT waiting_for text, OUT index bigint, OUT term bigint,
                              OUT since timestamptz)
    RETURNS SETOF record
    AS 'MODULE_PATHNAME', 'raft_sql_sessions' LANGUAGE c ROWS 10;
COMMENT ON FUNCTION raft.sessions() IS 'rows of pg_stat_raft_sessions';

CREATE VIEW @extschema@.pg_stat_raft_sessions AS SELECT * FROM raft.sessions();
COMMENT ON VIEW @extschema@.pg_stat_raft_sessions IS 'sessions of this database that wait in Raft now';
COMMENT ON COLUMN @extschema@.pg_stat_raft_sessions.pid IS 'process, as in pg_stat_activity';
COMMENT ON COLUMN @extschema@.pg_stat_raft_sessions.waiting_for IS 'leader: until one is known; queue: for room in the queue of proposals; place: for a place in the log; quorum: until it is committed, and on this disk; applier: until it is applied here';
COMMENT ON COLUMN @extschema@.pg_stat_raft_sessions.index IS 'place of the command in the log, or the entry that raft_wait() waits for';
COMMENT ON COLUMN @extschema@.pg_stat_raft_sessions.term IS 'term in which the command got its place';
COMMENT ON COLUMN @extschema@.pg_stat_raft_sessions.since IS 'when this wait began; for a command, from the queue to the applier';

-- What a member tells of itself, and another that asks for raft_cluster.  The latter as its owner,
-- since the role of the connection has no other right; it checks by itself who that is.
CREATE FUNCTION raft.may_ask() RETURNS boolean
    AS 'MODULE_PATHNAME', 'raft_sql_may_ask' LANGUAGE c STABLE;
COMMENT ON FUNCTION raft.may_ask()
    IS 'true when the role of the session may ask for raft.report(), else an error';

CREATE FUNCTION raft.own_report(OUT node text, OUT version text, OUT role text, OUT term bigint, OUT leader text,
                            OUT has_quorum boolean, OUT durable_index bigint, OUT commit_index bigint,
                            OUT applied_index bigint, OUT state text, OUT error text,
                            OUT match_index bigint, OUT lag bigint, OUT lag_time interval)
    RETURNS SETOF record
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp ROWS 5
    AS $$
    SELECT s.node, (SELECT extversion FROM pg_catalog.pg_extension WHERE extname = 'raft_pg')
               || ' (PostgreSQL ' || pg_catalog.current_setting('server_version') || ')',
           s.role, s.term, s.leader, s.has_quorum, w.durable_index, s.commit_index, s.applied_index,
           s.state, s.error, NULL, NULL, NULL
        FROM @extschema@.raft_state() s LEFT JOIN raft.stat() w ON true
    UNION ALL
    SELECT p.node, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, p.match_index, p.lag, p.lag_time
        FROM raft.stat_replication() p WHERE p.progress IS NOT NULL
    $$;
COMMENT ON FUNCTION raft.own_report()
    IS 'this node as it describes itself, and on a leader what it knows of each peer; for raft_cluster of this node';

CREATE FUNCTION raft.report(OUT node text, OUT version text, OUT role text, OUT term bigint, OUT leader text,
                            OUT has_quorum boolean, OUT durable_index bigint, OUT commit_index bigint,
                            OUT applied_index bigint, OUT state text, OUT error text,
                            OUT match_index bigint, OUT lag bigint, OUT lag_time interval)
    RETURNS SETOF record
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp ROWS 5
    AS 'SELECT r.* FROM raft.own_report() r WHERE raft.may_ask()';
COMMENT ON FUNCTION raft.report()
    IS 'the same, called by raft_cluster of another node; it goes by the role of the session, as inside it every caller is its owner: in a SECURITY DEFINER function use raft_cluster or raft.own_report()';

CREATE FUNCTION raft.cluster(OUT node text, OUT node_id integer, OUT member text, OUT role text,
                             OUT reachable boolean, OUT version text, OUT term bigint, OUT leader text,
                             OUT has_quorum boolean, OUT match_index bigint, OUT commit_index bigint,
                             OUT applied_index bigint, OUT lag bigint, OUT lag_time interval,
                             OUT state text, OUT reason text)
    RETURNS SETOF record
    AS 'MODULE_PATHNAME', 'raft_sql_cluster' LANGUAGE c ROWS 5;
COMMENT ON FUNCTION raft.cluster() IS 'rows of raft_cluster';

CREATE VIEW @extschema@.raft_cluster AS SELECT * FROM raft.cluster();
COMMENT ON VIEW @extschema@.raft_cluster
    IS 'all members, each asked at once over a connection of its own; takes raft_pg.connect_timeout at most';
COMMENT ON COLUMN @extschema@.raft_cluster.node IS 'name of the member';
COMMENT ON COLUMN @extschema@.raft_cluster.node_id IS 'its number in the group';
COMMENT ON COLUMN @extschema@.raft_cluster.member IS 'voter or learner';
COMMENT ON COLUMN @extschema@.raft_cluster.role IS 'follower, pre-candidate, candidate or leader, as it says itself';
COMMENT ON COLUMN @extschema@.raft_cluster.reachable IS 'this server could open a session there just now';
COMMENT ON COLUMN @extschema@.raft_cluster.version IS 'its versions of raft_pg and of PostgreSQL';
COMMENT ON COLUMN @extschema@.raft_cluster.term IS 'its term';
COMMENT ON COLUMN @extschema@.raft_cluster.leader IS 'whom it follows';
COMMENT ON COLUMN @extschema@.raft_cluster.has_quorum IS 'leader: it hears a majority; else: it hears the leader';
COMMENT ON COLUMN @extschema@.raft_cluster.match_index IS 'newest entry that the leader knows to be durable there; null while there is no leader, or it does not know';
COMMENT ON COLUMN @extschema@.raft_cluster.commit_index IS 'newest entry that it knows to be committed';
COMMENT ON COLUMN @extschema@.raft_cluster.applied_index IS 'newest entry whose effects can be read there';
COMMENT ON COLUMN @extschema@.raft_cluster.lag IS 'entries of the leader''s log that it has not confirmed';
COMMENT ON COLUMN @extschema@.raft_cluster.lag_time IS 'age of the oldest of these';
COMMENT ON COLUMN @extschema@.raft_cluster.state IS 'running, stale, starting, stopping, stopped, failed or not started, as it says itself; unreachable; unknown: its server answers, but not the question';
COMMENT ON COLUMN @extschema@.raft_cluster.reason IS 'why it does not work as it should, or could not be asked';

CREATE FUNCTION @extschema@.raft_stat_reset() RETURNS void
    AS 'MODULE_PATHNAME', 'raft_sql_stat_reset' LANGUAGE c;
COMMENT ON FUNCTION @extschema@.raft_stat_reset() IS 'sets the counters of pg_stat_raft and pg_stat_raft_replication to zero';

-- ---------------------------------------------------------------------------
-- Rights: nothing for PUBLIC but what members call, status for pg_monitor
-- ---------------------------------------------------------------------------

REVOKE ALL ON SCHEMA raft FROM PUBLIC;
REVOKE ALL ON ALL TABLES IN SCHEMA raft FROM PUBLIC;
REVOKE ALL ON ALL ROUTINES IN SCHEMA raft FROM PUBLIC;
REVOKE ALL ON FUNCTION @extschema@.raft_start(text, json, text),
                       @extschema@.raft_stop(),
                       @extschema@.raft_reset_identity(),
                       @extschema@.raft_propose(bytea, interval),
                       @extschema@.raft_propose(text, interval),
                       @extschema@.raft_propose(jsonb, interval),
                       @extschema@.raft_propose_async(bytea),
                       @extschema@.raft_propose_async(text),
                       @extschema@.raft_propose_async(jsonb),
                       @extschema@.raft_wait(bigint, bigint, interval),
                       @extschema@.raft_set_apply(regprocedure, interval),
                       @extschema@.raft_set_apply(text, interval),
                       @extschema@.raft_skip(bigint, boolean, interval),
                       @extschema@.raft_skip_undone(bigint),
                       @extschema@.raft_state(),
                       @extschema@.raft_is_leader(),
                       @extschema@.raft_leader(),
                       @extschema@.raft_stat_reset()
    FROM PUBLIC;
REVOKE ALL ON @extschema@.pg_stat_raft, @extschema@.pg_stat_raft_replication, @extschema@.raft_cluster,
              @extschema@.pg_stat_raft_sessions FROM PUBLIC;

-- they check by themselves whether the caller has REPLICATION
GRANT USAGE ON SCHEMA raft TO PUBLIC;
GRANT EXECUTE ON PROCEDURE raft.stream TO PUBLIC;
GRANT EXECUTE ON FUNCTION raft.report() TO PUBLIC;

GRANT USAGE ON SCHEMA raft TO pg_monitor;
GRANT SELECT ON raft.members, @extschema@.pg_stat_raft, @extschema@.pg_stat_raft_replication, @extschema@.raft_cluster,
                @extschema@.pg_stat_raft_sessions
    TO pg_monitor;
GRANT EXECUTE ON FUNCTION raft.member_list(), raft.stat(), raft.stat_replication(), raft.cluster(), raft.own_report(), raft.sessions(),
                          @extschema@.raft_state(), @extschema@.raft_is_leader(), @extschema@.raft_leader()
    TO pg_monitor;
