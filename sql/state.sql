-- raft_state(), raft.members and the statistics views on a group of one
CREATE EXTENSION raft_pg;
SELECT count(*) FROM raft_cluster;
\d pg_stat_raft
\d pg_stat_raft_replication
\d raft.members
\d raft_cluster
\d pg_stat_raft_sessions
SELECT oid::regprocedure AS function FROM pg_proc WHERE proname LIKE 'raft\_%' ORDER BY proname, oid::regprocedure::text;

SELECT node FROM raft_start('solo');
SELECT raft_propose('one') AS first \gset

SELECT node, role, term > 0 AS term, leader, commit_index = last_index AS committed,
       applied_index = last_index AS applied, has_quorum, state, error FROM raft_state();
SELECT * FROM raft.members;
SELECT * FROM pg_stat_raft_replication;

SELECT node, node_id, group_id = (SELECT group_id FROM raft.node) AS group_id, state, role,
       role_since <= clock_timestamp() AS role_since, vote, leader, leader_contact, has_quorum,
       apply_error, apply_error_time
    FROM pg_stat_raft;
SELECT first_index, last_index - :first AS last, commit_index - :first AS committed,
       applied_index - :first AS applied, durable_index - :first AS durable
    FROM pg_stat_raft;

-- the whole cluster, as each member describes itself
SELECT node, node_id, member, role, reachable, version ~ '^\d.* \(PostgreSQL \d.*\)$' AS version, term > 0 AS term, leader,
       has_quorum, match_index = commit_index AS match, applied_index = commit_index AS applied, lag, lag_time, state, reason
    FROM raft_cluster;

-- figures that move as they should
SELECT proposals, commands, failures, entries_appended, leaderships, boot_count, messages_received,
       messages_refused, bytes_received, log_bytes, log_capacity, term
    FROM pg_stat_raft \gset before_
DO $$ BEGIN FOR i IN 1..10 LOOP PERFORM raft_propose(repeat('x', 100)); END LOOP; END $$;
SELECT proposals - :before_proposals AS proposals, commands - :before_commands AS commands,
       failures - :before_failures AS failures, entries_appended - :before_entries_appended AS entries,
       leaderships - :before_leaderships AS leaderships, messages_received, messages_refused, bytes_received,
       log_bytes - :before_log_bytes AS bytes, log_capacity - :before_log_capacity AS capacity,
       term - :before_term AS term
    FROM pg_stat_raft;
SELECT started_at <= clock_timestamp() AS started, stats_reset, log_held_by, log_held_from, log_held_since FROM pg_stat_raft;
SELECT log_bytes < log_capacity AS fits, flushes > 0 AS flushes, turns > 0 AS turns
    FROM pg_stat_raft;

-- the applied index reaches the table and the disk within seconds, also without an apply function
CREATE FUNCTION wait_until(condition text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    holds boolean;
BEGIN
    FOR i IN 1..600 LOOP
        EXECUTE 'SELECT ' || condition INTO holds;
        IF holds THEN
            RETURN true;
        END IF;
        PERFORM pg_sleep(0.05);
    END LOOP;
    RETURN false;
END
$$;
SELECT wait_until('applied_index = (SELECT last_index FROM raft_state()) FROM raft.applied') AS stored;
SELECT wait_until('durable_applied_index = last_index FROM pg_stat_raft') AS durable;

-- counters begin anew at a reset
SELECT raft_stat_reset();
SELECT proposals, commands, failures, entries_appended, leaderships, elections, flushes,
       stats_reset BETWEEN started_at AND clock_timestamp() AS reset FROM pg_stat_raft;
SELECT raft_propose('counted') - :first AS place;
SELECT wait_until('proposals = 1 AND commands = 1 AND entries_appended = 1 FROM pg_stat_raft') AS counted;

-- a group of one that has nothing to do is not stale, however long it sleeps
SELECT pg_sleep(1);
SELECT raft_is_leader(), raft_leader(), has_quorum, state FROM raft_state();

-- after a stop and a start: a later boot and a later term, the same identity
SELECT raft_stop();
SELECT count(*) FROM pg_stat_raft;
SELECT node, role, term, state FROM raft_state();
SELECT node, role, reachable, state, reason FROM raft_cluster;
SELECT node FROM raft_start();
SELECT raft_propose('again') - :first AS place;
SELECT boot_count - :before_boot_count AS boots, term > :before_term AS later_term, node FROM pg_stat_raft;

DROP FUNCTION wait_until;
DROP EXTENSION raft_pg;
