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
COMMENT ON COLUMN raft.log.term IS 'term of the leader that appended the entry to its log';
COMMENT ON COLUMN raft.log.kind IS 'no-op, configuration, command, set-apply or skip; "unknown" and its number for what only a newer version executes';
COMMENT ON COLUMN raft.log.node_id IS 'node whose session proposed the entry; 0 for the leader itself';
COMMENT ON COLUMN raft.log.proposed_at IS 'when the leader appended the entry, by its own clock';
COMMENT ON COLUMN raft.log.command IS 'command as proposed';

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
COMMENT ON COLUMN raft.node.bootstrap IS 'first configuration of the group, as stored in entry 1 of the log';
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
COMMENT ON TABLE raft.applied IS 'how far this database has applied the log; updated in the same transaction as the effects of the commands';
COMMENT ON COLUMN raft.applied.applied_index IS 'every entry up to this index is applied; pg_stat_raft may be ahead when later entries had nothing to store';
COMMENT ON COLUMN raft.applied.failures IS 'number of commands up to that index whose result is an error';
COMMENT ON COLUMN raft.applied.apply_function IS 'function that receives each command, as set by raft_set_apply()';

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
COMMENT ON COLUMN raft.failures.number IS 'sequence number of the failure, counted from the beginning of the log';
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
COMMENT ON TABLE raft.skips IS 'commands that the group decided not to execute; they have no effects here';
COMMENT ON COLUMN raft.skips.index IS 'position of the command in the log';
COMMENT ON COLUMN raft.skips.decided_at IS 'position of the entry with the decision made by raft_skip()';
COMMENT ON COLUMN raft.skips.executed IS 'true if this node had executed the command before it learned of the decision, and raft_skip_undone() confirmed that its effects have been undone';
COMMENT ON COLUMN raft.skips.noted_at IS 'when this node skipped the command, or when that was confirmed';

-- raft_pg writes these tables without SQL, and so without firing triggers: any change
-- that fires this one was made by somebody else.
CREATE FUNCTION raft.refuse_change() RETURNS trigger
    AS 'MODULE_PATHNAME', 'raft_refuse_change' LANGUAGE c;
COMMENT ON FUNCTION raft.refuse_change() IS 'trigger of tables that only raft_pg may write';

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
COMMENT ON TABLE raft.peers IS 'what this node knows about each other member; a member whose log has changed since the group was formed, or is older than what it acknowledged, is refused';
COMMENT ON COLUMN raft.peers.node_id IS 'number of the member in the group';
COMMENT ON COLUMN raft.peers.log_id IS 'random number assigned to its log when the log was created';
COMMENT ON COLUMN raft.peers.first_seen IS 'when this node first accepted a stream from it';
COMMENT ON COLUMN raft.peers.incarnation IS 'random number of its last start that this node has seen';
COMMENT ON COLUMN raft.peers.boot_count IS 'number of that start';
COMMENT ON COLUMN raft.peers.start_seen IS 'when this node first saw that start';
COMMENT ON COLUMN raft.peers.acknowledged IS 'last committed entry that it has acknowledged to this node; written with a delay of a few seconds';
COMMENT ON COLUMN raft.peers.term IS 'highest term in which it sent a message to this node; written with the same delay';

CREATE TABLE raft.resets (
    incarnation bigint NOT NULL,
    reset_at    timestamptz NOT NULL,
    reset_by    name NOT NULL
);
COMMENT ON TABLE raft.resets IS 'calls of raft_reset_identity()';
COMMENT ON COLUMN raft.resets.incarnation IS 'last start before the call; the call applies only to the state that this start left behind';
COMMENT ON COLUMN raft.resets.reset_at IS 'when it was called';
COMMENT ON COLUMN raft.resets.reset_by IS 'who called it';

CREATE TRIGGER refuse_change BEFORE INSERT OR UPDATE OR TRUNCATE ON raft.peers
    EXECUTE FUNCTION raft.refuse_change();
-- a superuser may delete the row of a member, so that this node forgets it
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
    IS 'receives the messages of another node; called only by the worker of that node';

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
    IS 'stops the Raft workers of this database at commit; identity and log are kept; false if the group was not started';

CREATE FUNCTION @extschema@.raft_reset_identity() RETURNS void
    AS 'MODULE_PATHNAME', 'raft_sql_reset_identity' LANGUAGE c;
COMMENT ON FUNCTION @extschema@.raft_reset_identity()
    IS 'confirms, for the next raft_start(), that this directory holds the newest state of the node and is the only one that will be used; for superusers';

-- ---------------------------------------------------------------------------
-- Proposing
-- ---------------------------------------------------------------------------

CREATE FUNCTION @extschema@.raft_propose(command bytea, timeout interval DEFAULT NULL) RETURNS bigint
    AS 'MODULE_PATHNAME', 'raft_sql_propose' LANGUAGE c;
COMMENT ON FUNCTION @extschema@.raft_propose(bytea, interval)
    IS 'proposes a command, waits until it is applied here, and returns its index';

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
    IS 'proposes a command and returns its position in the log of the leader without waiting for the other nodes';

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
    IS 'waits until the entry at index is applied here; false after the timeout; an error if the entry there has another term';

CREATE FUNCTION @extschema@.raft_set_apply(apply_function regprocedure, timeout interval DEFAULT NULL)
    RETURNS bigint
    AS 'MODULE_PATHNAME', 'raft_sql_set_apply' LANGUAGE c;
COMMENT ON FUNCTION @extschema@.raft_set_apply(regprocedure, interval)
    IS 'sets the function (bigint, bytea) that receives every command from here on, on every node; NULL for none';

CREATE FUNCTION @extschema@.raft_set_apply(apply_function text, timeout interval DEFAULT NULL)
    RETURNS bigint
    AS 'MODULE_PATHNAME', 'raft_sql_set_apply_by_name' LANGUAGE c;
COMMENT ON FUNCTION @extschema@.raft_set_apply(text, interval)
    IS 'the same by its name, with or without argument types';

CREATE FUNCTION @extschema@.raft_skip(index bigint, force boolean DEFAULT false, timeout interval DEFAULT NULL)
    RETURNS bigint
    AS 'MODULE_PATHNAME', 'raft_sql_skip' LANGUAGE c;
COMMENT ON FUNCTION @extschema@.raft_skip(bigint, boolean, interval)
    IS 'decides that no node executes the command at index, on which the appliers are stuck; with force even if a member cannot be asked; for superusers';

CREATE FUNCTION @extschema@.raft_skip_undone(index bigint) RETURNS void
    AS 'MODULE_PATHNAME', 'raft_sql_skip_undone' LANGUAGE c;
COMMENT ON FUNCTION @extschema@.raft_skip_undone(bigint)
    IS 'confirms that the effects of a skipped command, which this node had executed, have been undone; for superusers';

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
COMMENT ON FUNCTION @extschema@.raft_leader() IS 'name of the leader; null if none was heard from within the election timeout';

CREATE FUNCTION raft.member_list(OUT node text, OUT node_id integer, OUT role text, OUT conninfo text,
                                 OUT is_self boolean, OUT is_leader boolean)
    RETURNS SETOF record
    AS 'MODULE_PATHNAME', 'raft_sql_members' LANGUAGE c ROWS 5;
COMMENT ON FUNCTION raft.member_list() IS 'rows of raft.members';

CREATE VIEW raft.members AS
    SELECT node, node_id, role, conninfo, is_self, is_leader FROM raft.member_list();
COMMENT ON VIEW raft.members IS 'members of the active configuration, or of the first one while the group is stopped';
COMMENT ON COLUMN raft.members.node IS 'name of the member';
COMMENT ON COLUMN raft.members.node_id IS 'number of the member in the group';
COMMENT ON COLUMN raft.members.role IS 'voter or learner';
COMMENT ON COLUMN raft.members.conninfo IS 'how other nodes connect to it';
COMMENT ON COLUMN raft.members.is_self IS 'true for this node';
COMMENT ON COLUMN raft.members.is_leader IS 'true for the leader, as far as this node knows';

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
    IS 'state and statistics of the Raft group of this database; no row while it is stopped';
COMMENT ON COLUMN @extschema@.pg_stat_raft.node IS 'name of this node';
COMMENT ON COLUMN @extschema@.pg_stat_raft.node_id IS 'number of this node in the group';
COMMENT ON COLUMN @extschema@.pg_stat_raft.group_id IS 'identity of the group, the same on every node';
COMMENT ON COLUMN @extschema@.pg_stat_raft.state IS 'starting, running, stopping or failed; stale if the node worker has stalled, so that the figures are old';
COMMENT ON COLUMN @extschema@.pg_stat_raft.role IS 'follower, pre-candidate, candidate or leader';
COMMENT ON COLUMN @extschema@.pg_stat_raft.role_since IS 'when this node took its role';
COMMENT ON COLUMN @extschema@.pg_stat_raft.term IS 'current term';
COMMENT ON COLUMN @extschema@.pg_stat_raft.vote IS 'node voted for in the current term';
COMMENT ON COLUMN @extschema@.pg_stat_raft.leader IS 'leader of the current term; null if none was heard from within the election timeout';
COMMENT ON COLUMN @extschema@.pg_stat_raft.leader_contact IS 'when the last message of the leader arrived';
COMMENT ON COLUMN @extschema@.pg_stat_raft.has_quorum IS 'on the leader, whether a majority was heard from within the election timeout; elsewhere, whether the leader was, and accepts this node''s stream';
COMMENT ON COLUMN @extschema@.pg_stat_raft.first_index IS 'oldest entry still in the log';
COMMENT ON COLUMN @extschema@.pg_stat_raft.last_index IS 'newest entry in the log';
COMMENT ON COLUMN @extschema@.pg_stat_raft.durable_index IS 'newest entry that survives a crash here';
COMMENT ON COLUMN @extschema@.pg_stat_raft.commit_index IS 'newest entry known to be committed';
COMMENT ON COLUMN @extschema@.pg_stat_raft.applied_index IS 'newest entry whose effects can be read here';
COMMENT ON COLUMN @extschema@.pg_stat_raft.durable_applied_index IS 'newest entry whose effects survive a crash here';
COMMENT ON COLUMN @extschema@.pg_stat_raft.floor_index IS 'last entry that every member has in its log';
COMMENT ON COLUMN @extschema@.pg_stat_raft.log_bytes IS 'bytes used by the entries in the log';
COMMENT ON COLUMN @extschema@.pg_stat_raft.log_capacity IS 'bytes that the log can hold';
COMMENT ON COLUMN @extschema@.pg_stat_raft.log_held_by IS 'member that keeps the oldest entries from being dropped, as far as this node knows; null unless the log is more than half full';
COMMENT ON COLUMN @extschema@.pg_stat_raft.log_held_from IS 'first entry that this member lacks or, if it is this node, has not applied durably; null if it has confirmed nothing to this leader';
COMMENT ON COLUMN @extschema@.pg_stat_raft.log_held_since IS 'time since which it has confirmed nothing';
COMMENT ON COLUMN @extschema@.pg_stat_raft.boot_count IS 'number of times this node has started';
COMMENT ON COLUMN @extschema@.pg_stat_raft.elections IS 'elections started by this node';
COMMENT ON COLUMN @extschema@.pg_stat_raft.leaderships IS 'elections won by this node';
COMMENT ON COLUMN @extschema@.pg_stat_raft.messages_received IS 'messages from other nodes';
COMMENT ON COLUMN @extschema@.pg_stat_raft.messages_refused IS 'messages that could not be decoded or were not meant for this node';
COMMENT ON COLUMN @extschema@.pg_stat_raft.bytes_received IS 'bytes of messages from other nodes';
COMMENT ON COLUMN @extschema@.pg_stat_raft.proposals IS 'commands proposed by sessions of this database';
COMMENT ON COLUMN @extschema@.pg_stat_raft.proposals_refused IS 'proposed commands that were not appended to the log';
COMMENT ON COLUMN @extschema@.pg_stat_raft.flushes IS 'flushes of the log to disk';
COMMENT ON COLUMN @extschema@.pg_stat_raft.entries_appended IS 'entries appended to the log';
COMMENT ON COLUMN @extschema@.pg_stat_raft.turns IS 'iterations of the node worker''s main loop';
COMMENT ON COLUMN @extschema@.pg_stat_raft.apply_transactions IS 'transactions of the applier';
COMMENT ON COLUMN @extschema@.pg_stat_raft.commands IS 'commands applied';
COMMENT ON COLUMN @extschema@.pg_stat_raft.failures IS 'applied commands whose result is an error';
COMMENT ON COLUMN @extschema@.pg_stat_raft.apply_retries IS 'transactions of the applier that failed because of an error of this server and were retried';
COMMENT ON COLUMN @extschema@.pg_stat_raft.apply_error IS 'error that keeps the applier from continuing; null if there is none';
COMMENT ON COLUMN @extschema@.pg_stat_raft.apply_error_time IS 'when that error last occurred';
COMMENT ON COLUMN @extschema@.pg_stat_raft.apply_error_index IS 'entry that the applier cannot apply; null if the error does not depend on an entry';
COMMENT ON COLUMN @extschema@.pg_stat_raft.apply_blocked_on IS 'object whose lock the applier is waiting for; null if it is not waiting';
COMMENT ON COLUMN @extschema@.pg_stat_raft.apply_blocked_by IS 'process IDs that block the applier; 0 for a prepared transaction';
COMMENT ON COLUMN @extschema@.pg_stat_raft.apply_blocked_since IS 'when that wait began';
COMMENT ON COLUMN @extschema@.pg_stat_raft.started_at IS 'when the node worker started, with its counters at zero';
COMMENT ON COLUMN @extschema@.pg_stat_raft.stats_reset IS 'time of the last raft_stat_reset(); null if there was none since raft_start()';

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
COMMENT ON COLUMN @extschema@.pg_stat_raft_replication.progress IS 'on the leader, probe until the logs agree, then replicate; null elsewhere';
COMMENT ON COLUMN @extschema@.pg_stat_raft_replication.match_index IS 'on the leader, newest entry known to be durable on the peer; null until the peer has confirmed one to this leader, and elsewhere';
COMMENT ON COLUMN @extschema@.pg_stat_raft_replication.next_index IS 'on the leader, next entry to send; null elsewhere';
COMMENT ON COLUMN @extschema@.pg_stat_raft_replication.inflight IS 'on the leader, appends sent but not yet answered; null elsewhere';
COMMENT ON COLUMN @extschema@.pg_stat_raft_replication.lag IS 'on the leader, number of log entries that the peer has not confirmed; null until the peer has confirmed one to this leader, and elsewhere';
COMMENT ON COLUMN @extschema@.pg_stat_raft_replication.lag_time IS 'on the leader, age of the oldest of these entries; null elsewhere';
COMMENT ON COLUMN @extschema@.pg_stat_raft_replication.last_contact IS 'on the leader, time of the peer''s last answer in this term; null elsewhere';
COMMENT ON COLUMN @extschema@.pg_stat_raft_replication.problem IS 'on the leader, why the peer does not count towards a quorum in this term; null if it counts, and elsewhere';
COMMENT ON COLUMN @extschema@.pg_stat_raft_replication.sent_messages IS 'messages handed to the connection';
COMMENT ON COLUMN @extschema@.pg_stat_raft_replication.sent_bytes IS 'bytes of these messages';
COMMENT ON COLUMN @extschema@.pg_stat_raft_replication.dropped_messages IS 'messages dropped because there was no stream or the socket was full';
COMMENT ON COLUMN @extschema@.pg_stat_raft_replication.connects IS 'streams established';
COMMENT ON COLUMN @extschema@.pg_stat_raft_replication.last_connect IS 'when the last stream was established';
COMMENT ON COLUMN @extschema@.pg_stat_raft_replication.last_error IS 'why there is no outgoing stream; null if there is one';
COMMENT ON COLUMN @extschema@.pg_stat_raft_replication.last_error_time IS 'when that error occurred';
COMMENT ON COLUMN @extschema@.pg_stat_raft_replication.refused_since IS 'time since which the peer''s server, although reachable, has refused this node''s stream, for the reason in last_error';
COMMENT ON COLUMN @extschema@.pg_stat_raft_replication.next_attempt IS 'when this node next tries to connect to the peer; null while it is connecting or a stream is open';
COMMENT ON COLUMN @extschema@.pg_stat_raft_replication.incoming IS 'true if a stream from the peer is open';
COMMENT ON COLUMN @extschema@.pg_stat_raft_replication.incoming_error IS 'why this node refuses the peer''s stream; null once it has accepted one';
COMMENT ON COLUMN @extschema@.pg_stat_raft_replication.incoming_error_time IS 'when it last did so';

CREATE FUNCTION raft.sessions(OUT pid integer, OUT waiting_for text, OUT index bigint, OUT term bigint,
                              OUT since timestamptz)
    RETURNS SETOF record
    AS 'MODULE_PATHNAME', 'raft_sql_sessions' LANGUAGE c ROWS 10;
COMMENT ON FUNCTION raft.sessions() IS 'rows of pg_stat_raft_sessions';

CREATE VIEW @extschema@.pg_stat_raft_sessions AS SELECT * FROM raft.sessions();
COMMENT ON VIEW @extschema@.pg_stat_raft_sessions IS 'sessions of this database that are waiting in Raft functions';
COMMENT ON COLUMN @extschema@.pg_stat_raft_sessions.pid IS 'process ID, as in pg_stat_activity';
COMMENT ON COLUMN @extschema@.pg_stat_raft_sessions.waiting_for IS 'leader: until a leader is known; queue: for room in the proposal queue; place: for a position in the log; quorum: until the entry is committed and on this node''s disk; applier: until it is applied here';
COMMENT ON COLUMN @extschema@.pg_stat_raft_sessions.index IS 'position of the command in the log, or of the entry that raft_wait() waits for';
COMMENT ON COLUMN @extschema@.pg_stat_raft_sessions.term IS 'term in which the command got its position';
COMMENT ON COLUMN @extschema@.pg_stat_raft_sessions.since IS 'when the wait began; for a command, the whole wait from the queue to the applier';

-- What a node reports about itself, to its own sessions and to other members that read
-- raft_cluster.  raft.report() runs as its owner, since the role of the other member's
-- connection has no other privilege; it checks that role by itself.
CREATE FUNCTION raft.may_ask() RETURNS boolean
    AS 'MODULE_PATHNAME', 'raft_sql_may_ask' LANGUAGE c STABLE;
COMMENT ON FUNCTION raft.may_ask()
    IS 'true if the role of the session may call raft.report(), otherwise an error';

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
    IS 'state of this node and, on the leader, what it knows about each peer; for raft_cluster on this node';

CREATE FUNCTION raft.report(OUT node text, OUT version text, OUT role text, OUT term bigint, OUT leader text,
                            OUT has_quorum boolean, OUT durable_index bigint, OUT commit_index bigint,
                            OUT applied_index bigint, OUT state text, OUT error text,
                            OUT match_index bigint, OUT lag bigint, OUT lag_time interval)
    RETURNS SETOF record
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp ROWS 5
    AS 'SELECT r.* FROM raft.own_report() r WHERE raft.may_ask()';
COMMENT ON FUNCTION raft.report()
    IS 'the same, called by raft_cluster on another node; checks the role of the session rather than the current role, so in a SECURITY DEFINER function use raft_cluster or raft.own_report()';

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
    IS 'all members, asked at the same time over a connection to each; takes at most raft_pg.connect_timeout';
COMMENT ON COLUMN @extschema@.raft_cluster.node IS 'name of the member';
COMMENT ON COLUMN @extschema@.raft_cluster.node_id IS 'number of the member in the group';
COMMENT ON COLUMN @extschema@.raft_cluster.member IS 'voter or learner';
COMMENT ON COLUMN @extschema@.raft_cluster.role IS 'follower, pre-candidate, candidate or leader, as reported by the member';
COMMENT ON COLUMN @extschema@.raft_cluster.reachable IS 'true if this server could open a session there';
COMMENT ON COLUMN @extschema@.raft_cluster.version IS 'versions of raft_pg and PostgreSQL there';
COMMENT ON COLUMN @extschema@.raft_cluster.term IS 'current term of the member';
COMMENT ON COLUMN @extschema@.raft_cluster.leader IS 'leader that the member follows';
COMMENT ON COLUMN @extschema@.raft_cluster.has_quorum IS 'on the leader, whether it hears from a majority; elsewhere, whether it hears from the leader';
COMMENT ON COLUMN @extschema@.raft_cluster.match_index IS 'newest entry that the leader knows to be durable there; null if there is no leader or it does not know';
COMMENT ON COLUMN @extschema@.raft_cluster.commit_index IS 'newest entry that the member knows to be committed';
COMMENT ON COLUMN @extschema@.raft_cluster.applied_index IS 'newest entry whose effects can be read there';
COMMENT ON COLUMN @extschema@.raft_cluster.lag IS 'number of entries in the leader''s log that the member has not confirmed';
COMMENT ON COLUMN @extschema@.raft_cluster.lag_time IS 'age of the oldest of these';
COMMENT ON COLUMN @extschema@.raft_cluster.state IS 'running, stale, starting, stopping, stopped, failed or not started, as reported by the member; unreachable; unknown if its server answers but the query fails';
COMMENT ON COLUMN @extschema@.raft_cluster.reason IS 'why the member does not work properly, or could not be asked';

CREATE FUNCTION @extschema@.raft_stat_reset() RETURNS void
    AS 'MODULE_PATHNAME', 'raft_sql_stat_reset' LANGUAGE c;
COMMENT ON FUNCTION @extschema@.raft_stat_reset() IS 'sets the counters of pg_stat_raft and pg_stat_raft_replication to zero';

-- --------------------------------------------------------------------------- Privileges: PUBLIC may only call what members call; pg_monitor may read status
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

-- these check by themselves whether the caller has REPLICATION
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
