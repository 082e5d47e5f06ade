-- DROP EXTENSION and DROP DATABASE while the workers run
CREATE FUNCTION workers_gone() RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    FOR i IN 1..600 LOOP
        PERFORM pg_stat_clear_snapshot();
        -- of this database, or of one that is gone
        IF NOT EXISTS (SELECT FROM pg_stat_activity WHERE backend_type IN ('raft_pg node', 'raft_pg applier')
                       AND coalesce(datname, current_database()) = current_database()) THEN
            RETURN true;
        END IF;
        PERFORM pg_sleep(0.05);
    END LOOP;
    RETURN false;
END
$$;
CREATE EXTENSION raft_pg;
SELECT node FROM raft_start();
SELECT raft_propose('before the drop') > 0 AS proposed;

-- rolled back, the workers come back by themselves
BEGIN;
DROP EXTENSION raft_pg;
ROLLBACK;
SELECT raft_propose('after the rollback') > 0 AS proposed;
SELECT convert_from(command, 'UTF8') FROM raft.log WHERE kind = 'command' ORDER BY index;

DROP EXTENSION raft_pg;
SELECT workers_gone();
SELECT count(*) FROM pg_shseclabel JOIN pg_database ON oid = objoid
    WHERE provider = 'raft_pg' AND datname = current_database();

-- a new one knows nothing of the old one
CREATE EXTENSION raft_pg;
SELECT node, state FROM raft_state();
SELECT node FROM raft_start('another');
SELECT raft_propose('in another log') > 0 AS proposed;
SELECT convert_from(command, 'UTF8') FROM raft.log WHERE kind = 'command' ORDER BY index;

-- in one transaction
BEGIN;
DROP EXTENSION raft_pg;
CREATE EXTENSION raft_pg;
SELECT node FROM raft_start('third');
COMMIT;
SELECT raft_propose('in a third log') > 0 AS proposed;
SELECT node FROM raft.members;
SELECT convert_from(command, 'UTF8') FROM raft.log WHERE kind = 'command' ORDER BY index;

-- not piece by piece
DROP SCHEMA raft CASCADE;
DROP TABLE raft.log;
DROP EXTENSION raft_pg CASCADE;

-- a database with a running group
SELECT current_database() AS main \gset
CREATE DATABASE regress_raft_dropped;
\c regress_raft_dropped
CREATE EXTENSION raft_pg;
SELECT node FROM raft_start('dropped');
SELECT raft_propose('in the other database') > 0 AS proposed;
\c :main
DROP DATABASE regress_raft_dropped;
SELECT workers_gone();
DROP FUNCTION workers_gone;
SELECT count(*) FROM pg_shseclabel WHERE provider = 'raft_pg' AND objoid NOT IN (SELECT oid FROM pg_database);
