-- the extension's own objects: alterations are refused; rights, comments and owners can change
CREATE EXTENSION raft_pg;
SELECT node FROM raft_start();
CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE SCHEMA elsewhere;
CREATE ROLE regress_raft_owner SUPERUSER;

ALTER TABLE raft.log SET SCHEMA elsewhere;
\echo :LAST_ERROR_SQLSTATE
ALTER TABLE raft.log RENAME TO diary;
ALTER TABLE raft.log ADD COLUMN mine int DEFAULT 1;
ALTER TABLE raft.applied ADD COLUMN mine int;
ALTER TABLE raft.applied DROP COLUMN apply_function;
ALTER TABLE raft.applied RENAME COLUMN applied_index TO done;
ALTER TABLE raft.applied ALTER COLUMN applied_index TYPE numeric;
ALTER TABLE raft.applied ADD CHECK (applied_index < 10);
ALTER TABLE raft.node SET UNLOGGED;
ALTER TABLE raft.node ENABLE ROW LEVEL SECURITY;
CREATE POLICY mine ON raft.node USING (false);
CREATE TRIGGER mine BEFORE INSERT ON raft.failures FOR EACH ROW EXECUTE FUNCTION nothing();
CREATE RULE mine AS ON INSERT TO raft.failures DO INSTEAD NOTHING;
ALTER TABLE raft.failures DISABLE TRIGGER ALL;
ALTER TABLE raft.failures RENAME CONSTRAINT failures_pkey TO mine;
ALTER VIEW raft.members RENAME TO mine;
ALTER SCHEMA raft RENAME TO mine;
ALTER FUNCTION raft_state() RENAME TO mine;
ALTER PROCEDURE raft.stream RENAME TO mine;
ALTER EXTENSION raft_pg SET SCHEMA elsewhere;
ALTER EXTENSION raft_pg DROP TABLE raft.log;
ALTER EXTENSION raft_pg ADD FUNCTION nothing();
ALTER EXTENSION raft_pg UPDATE;

-- what is possible
GRANT SELECT ON raft.log TO regress_raft_owner;
REVOKE SELECT ON raft.log FROM regress_raft_owner;
COMMENT ON TABLE raft.log IS 'our log';
ALTER TABLE raft.failures OWNER TO regress_raft_owner;
ALTER SCHEMA raft OWNER TO regress_raft_owner;
ALTER FUNCTION raft_state() OWNER TO regress_raft_owner;
REASSIGN OWNED BY regress_raft_owner TO CURRENT_USER;
VACUUM FULL raft.failures;
REINDEX TABLE CONCURRENTLY raft.failures;
CREATE TABLE mine (index bigint REFERENCES raft.failures);
DROP TABLE mine;

-- nobody locks its rows and tables, whatever rights he has: the workers would wait
CREATE ROLE regress_raft_writer;
GRANT pg_write_all_data, pg_read_all_data TO regress_raft_writer;
GRANT CREATE ON SCHEMA elsewhere TO regress_raft_writer;
GRANT USAGE ON SCHEMA elsewhere TO regress_raft_writer;
SET ROLE regress_raft_writer;
SELECT node_id FROM raft.peers FOR UPDATE;
\echo :LAST_ERROR_SQLSTATE
SELECT node_id FROM raft.peers FOR KEY SHARE;
SELECT applied_index FROM raft.applied FOR SHARE;
SELECT node FROM raft.node FOR NO KEY UPDATE;
SELECT number FROM raft.failures FOR UPDATE;
SELECT incarnation FROM raft.resets FOR UPDATE;
CREATE VIEW elsewhere.applied AS SELECT * FROM raft.applied;
CREATE VIEW elsewhere.twice AS SELECT 1 AS one WHERE EXISTS (SELECT FROM elsewhere.applied);
SELECT applied_index FROM elsewhere.applied FOR UPDATE;
UPDATE elsewhere.applied SET applied_index = 0;
LOCK TABLE raft.failures IN SHARE MODE;
\echo :LAST_ERROR_SQLSTATE
LOCK TABLE raft.peers, raft.node;
LOCK TABLE raft.log IN ROW EXCLUSIVE MODE;
LOCK TABLE raft.members;
LOCK TABLE elsewhere.applied;
LOCK TABLE elsewhere.twice IN ROW SHARE MODE;
DELETE FROM raft.peers;
RESET ROLE;
SELECT node_id FROM raft.peers FOR UPDATE;
LOCK TABLE raft.applied;
-- but it can be read; others lock what is theirs; failures, and members by a superuser, can be forgotten
BEGIN;
LOCK TABLE raft.applied IN ACCESS SHARE MODE;
SET LOCAL ROLE regress_raft_writer;
CREATE TABLE elsewhere.mine AS SELECT count(*) FROM raft.node;
SELECT * FROM elsewhere.mine FOR UPDATE;
LOCK TABLE elsewhere.mine;
DELETE FROM raft.failures;
RESET ROLE;
DELETE FROM raft.peers;
ROLLBACK;
DROP VIEW elsewhere.twice, elsewhere.applied;

-- all of that did no harm
SELECT raft_propose('still here') > 0 AS proposed;
SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = 'raft' AND c.relkind IN ('r', 'v') ORDER BY 1;

DROP EXTENSION raft_pg;
DROP SCHEMA elsewhere;
DROP FUNCTION nothing;
DROP ROLE regress_raft_owner, regress_raft_writer;
