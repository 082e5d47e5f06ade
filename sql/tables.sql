-- the extension's own tables: written by raft_pg alone, without anybody's trigger or rule
CREATE EXTENSION raft_pg;
SELECT node FROM raft_start('tables');
CREATE TABLE kept (index bigint);
CREATE FUNCTION apply_kept(index bigint, command bytea) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO public.kept VALUES (index);
    IF command LIKE 'fails%'::bytea THEN
        RAISE EXCEPTION '%', convert_from(command, 'UTF8');
    END IF;
END
$$;
SELECT raft_set_apply('apply_kept(bigint, bytea)') > 0 AS set;
\set SHOW_CONTEXT never
\set VERBOSITY terse
SELECT raft_propose('fails once');
\set VERBOSITY default

-- nobody else changes them, whatever rights he has
CREATE ROLE regress_raft_writer;
GRANT pg_write_all_data, pg_read_all_data TO regress_raft_writer;
GRANT USAGE ON SCHEMA raft TO regress_raft_writer;
SET ROLE regress_raft_writer;
DELETE FROM raft.applied;
\echo :LAST_ERROR_SQLSTATE
UPDATE raft.applied SET applied_index = 0;
INSERT INTO raft.applied SELECT * FROM raft.applied;
DELETE FROM raft.node;
UPDATE raft.node SET node_id = 7;
INSERT INTO raft.node SELECT * FROM raft.node;
INSERT INTO raft.failures SELECT 0, 0, 0, '', '', now();
UPDATE raft.failures SET number = 0;
MERGE INTO raft.applied a USING (VALUES (0)) v (n) ON true WHEN MATCHED THEN UPDATE SET applied_index = n;
\copy raft.failures FROM '/dev/null'
RESET ROLE;
UPDATE raft.applied SET applied_index = 0;
SET session_replication_role = replica;
UPDATE raft.applied SET applied_index = 0;
TRUNCATE raft.node;
RESET session_replication_role;

-- failures may be forgotten
SET ROLE regress_raft_writer;
DELETE FROM raft.failures;
RESET ROLE;
\set VERBOSITY terse
SELECT raft_propose('fails again');
\set VERBOSITY default
SELECT number, message FROM raft.failures;
SELECT failures FROM raft.applied;

-- nor does he plant a trigger on them
GRANT TRIGGER ON raft.failures, raft.applied, raft.node TO regress_raft_writer;
SET ROLE regress_raft_writer;
CREATE TRIGGER planted BEFORE INSERT ON raft.failures EXECUTE FUNCTION suppress_redundant_updates_trigger();
RESET ROLE;

-- the newest are kept, as many as the setting says; messages have an end
DO $$
BEGIN
    FOR i IN 1..200 LOOP
        PERFORM raft_propose_async('fails ' || i);
    END LOOP;
    PERFORM raft_propose('succeeds');
END
$$;
SELECT count(*) = least(201, current_setting('raft_pg.max_failures')::int) AS bounded,
       max(number) AS newest, max(number) - min(number) + 1 = count(*) AS no_gap
    FROM raft.failures;
SELECT raft_propose_async('fails' || repeat('é', 3000)) IS NOT NULL AS proposed;
SELECT raft_propose('succeeds') > 0 AS applied;
SELECT number, octet_length(message), right(message, 1) FROM raft.failures ORDER BY number DESC LIMIT 1;
SELECT failures FROM raft.applied;

-- and a node keeps its identity over a stop
SELECT raft_stop();
SELECT node FROM raft_start();
SELECT raft_propose('succeeds') > 0 AS applied;
SELECT failures FROM raft.applied;

DROP EXTENSION raft_pg;
DROP TABLE kept;
DROP FUNCTION apply_kept;
DROP ROLE regress_raft_writer;
