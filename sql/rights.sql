-- rights: nothing for PUBLIC but what members call, status for pg_monitor, the rest by GRANT
CREATE EXTENSION raft_pg;
SELECT node FROM raft_start();
SELECT raft_propose('by the superuser') > 0 AS proposed;

-- every routine and relation of the extension is closed to PUBLIC, but those that check by themselves, and has a comment
SELECT p.oid::regprocedure FROM pg_depend d JOIN pg_proc p ON p.oid = d.objid
    WHERE d.classid = 'pg_proc'::regclass AND d.deptype = 'e'
    AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'raft_pg')
    AND (has_function_privilege('public', p.oid, 'EXECUTE') OR obj_description(p.oid, 'pg_proc') IS NULL);
SELECT c.oid::regclass FROM pg_depend d JOIN pg_class c ON c.oid = d.objid
    WHERE d.classid = 'pg_class'::regclass AND d.deptype = 'e'
    AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'raft_pg')
    AND (has_table_privilege('public', c.oid, 'SELECT, INSERT, UPDATE, DELETE')
         OR obj_description(c.oid, 'pg_class') IS NULL);
SELECT a.attrelid::regclass, a.attname FROM pg_depend d JOIN pg_attribute a ON a.attrelid = d.objid
    WHERE d.classid = 'pg_class'::regclass AND d.deptype = 'e' AND a.attnum > 0
    AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'raft_pg')
    AND col_description(a.attrelid, a.attnum) IS NULL;

CREATE ROLE regress_raft_nobody;
CREATE ROLE regress_raft_monitor IN ROLE pg_monitor;
CREATE ROLE regress_raft_app;
CREATE ROLE regress_raft_member REPLICATION;
GRANT EXECUTE ON FUNCTION raft_start(text, json, text), raft_stop(), raft_propose(text, interval),
    raft_set_apply(regprocedure, interval), raft_set_apply(text, interval),
    raft_skip(bigint, boolean, interval), raft_skip_undone(bigint) TO regress_raft_app;

SET ROLE regress_raft_nobody;
SELECT raft_start();
\echo :LAST_ERROR_SQLSTATE
SELECT raft_stop();
SELECT raft_propose('mine');
\echo :LAST_ERROR_SQLSTATE
SELECT raft_propose_async('mine');
SELECT raft_wait(1);
SELECT raft_set_apply(NULL);
SELECT raft_skip(1);
SELECT raft_skip_undone(1);
SELECT raft_state();
SELECT raft_is_leader();
SELECT raft_leader();
SELECT * FROM pg_stat_raft;
SELECT * FROM pg_stat_raft_replication;
SELECT * FROM raft.log;
SELECT * FROM raft.members;
SELECT * FROM raft_cluster;
SELECT * FROM raft.report();
SELECT * FROM pg_stat_raft_sessions;
SELECT raft_stat_reset();
CALL raft.stream(1, gen_random_uuid(), 1, 'a', 1, 1, 1, '{}', 1, 1, '', 'b');
RESET ROLE;

-- the role of a member: what members call, and nothing else
SET ROLE regress_raft_member;
SELECT node, role, state FROM raft.report();
SELECT * FROM raft.stat();
SELECT * FROM raft_cluster;
RESET ROLE;

SET ROLE regress_raft_monitor;
SELECT node, role FROM raft_state();
SELECT raft_is_leader(), raft_leader();
SELECT node, role FROM pg_stat_raft;
SELECT count(*) FROM pg_stat_raft_replication;
SELECT node, is_leader FROM raft.members;
SELECT node, role, state FROM raft_cluster;
SELECT count(*) FROM pg_stat_raft_sessions;
SELECT raft_stat_reset();
SELECT raft_propose('mine');
SELECT * FROM raft.log;
SELECT * FROM raft.node;
SELECT * FROM raft.failures;
RESET ROLE;

-- a function of his serves others
CREATE FUNCTION monitoring(OUT cluster text, OUT report text) LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    SELECT node || ' ' || state INTO cluster FROM raft_cluster;
    SELECT node || ' ' || state INTO report FROM raft.own_report();
END
$$;
ALTER FUNCTION monitoring() OWNER TO regress_raft_monitor;
SET ROLE regress_raft_nobody;
SELECT * FROM monitoring();
SELECT * FROM raft.own_report();
RESET ROLE;
DROP FUNCTION monitoring;

-- what was granted works without any right on the tables
SET ROLE regress_raft_app;
SELECT raft_propose('by the application') > 0 AS proposed;
SELECT raft_propose('\x01'::bytea);
SELECT raft_set_apply('pg_catalog.set_bit(bytea, bigint, integer)');
SELECT raft_set_apply('pg_catalog.set_masklen(inet, integer)');
SELECT raft_skip(1);
SELECT raft_skip_undone(1);
RESET ROLE;
CREATE FUNCTION superuser_function(bigint, bytea) RETURNS void LANGUAGE sql AS '';
CREATE FUNCTION own_function(bigint, bytea) RETURNS void LANGUAGE sql AS '';
ALTER FUNCTION own_function(bigint, bytea) OWNER TO regress_raft_app;
SET ROLE regress_raft_app;
SELECT raft_set_apply('superuser_function(bigint, bytea)');
\echo :LAST_ERROR_SQLSTATE
SELECT raft_set_apply('own_function(bigint, bytea)') > 0 AS set;
SELECT raft_stop();
SELECT node FROM raft_start();
SELECT raft_propose('started by the application') > 0 AS proposed;
RESET ROLE;

DROP EXTENSION raft_pg;
DROP FUNCTION superuser_function, own_function;
DROP ROLE regress_raft_nobody, regress_raft_monitor, regress_raft_app, regress_raft_member;

-- a group of one, too; members, whom the server connects to with its own passwords, are for superusers
CREATE ROLE regress_raft_app;
CREATE EXTENSION raft_pg;
GRANT EXECUTE ON FUNCTION raft_start(text, json, text), raft_propose(text, interval) TO regress_raft_app;
SET ROLE regress_raft_app;
SELECT raft_start('a', '{"a": "port=1", "b": "port=2"}');
\echo :LAST_ERROR_SQLSTATE
SELECT node FROM raft_start('first');
SELECT raft_propose('by the application') > 0 AS proposed;
RESET ROLE;
DROP EXTENSION raft_pg;

-- what a superuser has started, others may stop and start again
CREATE EXTENSION raft_pg;
GRANT EXECUTE ON FUNCTION raft_start(text, json, text), raft_stop() TO regress_raft_app;
SELECT node FROM raft_start('a', '{"a": "port=1", "b": "port=2"}');
SET ROLE regress_raft_app;
SELECT raft_stop();
SELECT node FROM raft_start();
SELECT node FROM raft_start('a', '{"a": "port=1", "b": "port=2"}');
RESET ROLE;
DROP EXTENSION raft_pg;
DROP ROLE regress_raft_app;
