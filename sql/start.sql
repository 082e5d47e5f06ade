-- raft_start() and raft_stop(): bad input, one error each; rollback; idempotence; stop and start again
CREATE EXTENSION raft_pg;

-- before the first start
SELECT node, role, term, state FROM raft_state();
SELECT raft_is_leader(), raft_leader();
SELECT raft_stop();
SELECT count(*) FROM pg_stat_raft;
SELECT count(*) FROM raft.members;
SELECT raft_propose('too early');
\echo :LAST_ERROR_SQLSTATE
SELECT raft_wait(1);
\echo :LAST_ERROR_SQLSTATE

-- names
SELECT raft_start('');
\echo :LAST_ERROR_SQLSTATE
SELECT raft_start(repeat('n', 64));
SELECT raft_start(E'a\nb');
SELECT raft_start(cluster_name => 'accounts');
\echo :LAST_ERROR_SQLSTATE

-- members
SELECT raft_start(members => '{"a": "hostaddr=127.0.0.1"}');
SELECT raft_start('d', '{"a": "port=1", "b": "port=2", "c": "port=3"}');
\echo :LAST_ERROR_SQLSTATE
SELECT raft_start('a', '{"a": "port=1", "b": "port=2", "a": "port=3"}');
\echo :LAST_ERROR_SQLSTATE
SELECT raft_start('a', '{"a": "port=1", "b": "port=1"}');
SELECT raft_start('a', '["a", "b"]');
SELECT raft_start('a', '{}');
SELECT raft_start('a', '{"a": 5432}');
SELECT raft_start('a', '{"a": null}');
SELECT raft_start('a', '{"a": ""}');
SELECT raft_start('a', '{"": "port=1"}');
SELECT raft_start('a', '{"a": "port"}');
\echo :LAST_ERROR_SQLSTATE
SELECT raft_start('a', '{"a": "port=1 password=secret"}');
\echo :LAST_ERROR_SQLSTATE
SELECT raft_start('a', '{"a": "postgres://raft:secret@/db"}');
SELECT raft_start('a', '{"a": "port=1 application_name=mine"}');
SELECT raft_start('a', '{"a": "host=db1,db2"}');
\echo :LAST_ERROR_SQLSTATE
SELECT raft_start('a', '{"a": "postgres://10.0.0.1,10.0.0.2/db"}');
SELECT raft_start('n1', (SELECT json_object_agg('n' || i, 'port=' || i) FROM generate_series(1, 8) AS i));
\echo :LAST_ERROR_SQLSTATE
SELECT raft_start('n1', (SELECT json_object_agg('n' || i, 'port=' || i) FROM generate_series(1, 16) AS i));
\echo :LAST_ERROR_SQLSTATE
SELECT raft_start('a', '{"a": ');
\echo :LAST_ERROR_SQLSTATE
BEGIN TRANSACTION READ ONLY;
SELECT raft_start();
ROLLBACK;
\echo :LAST_ERROR_SQLSTATE

-- host names are welcome
BEGIN;
SELECT node FROM raft_start('a', '{"a": "host=db1.example.com", "b": "host=localhost", "c": "service=db3"}');
ROLLBACK;

-- the same members give the same group on every node, another cluster name another one
BEGIN;
SELECT node, node_id, group_id AS group_a FROM raft_start('a', '{"c": "port=3", "a": "port=1", "b": "port=2"}') \gset
SELECT :'node' AS node, :node_id AS node_id;
SELECT node, node_id, role, conninfo, is_self, is_leader FROM raft.members;
ROLLBACK;
BEGIN;
SELECT node, node_id, group_id = :'group_a' AS same
    FROM raft_start('b', '{"a": "port=1", "b": "port=2", "c": "port=3"}');
ROLLBACK;
BEGIN;
SELECT node, node_id, group_id = :'group_a' AS same
    FROM raft_start('b', '{"a": "port=1", "b": "port=2", "c": "port=3"}', 'accounts');
ROLLBACK;

-- how a connection string is written, and how one gets in there, makes no other group; another place does
SELECT group_id AS group_c FROM raft_start('a', '{"a": "host=h1 port=1 dbname=d user=u", "b": "host=h2 port=1 dbname=d"}') \gset
SELECT conninfo FROM raft.members;
-- again, otherwise: the first ones are kept
SELECT node FROM raft_start('a', '{"b": "dbname=d port=1 host=h2", "a": "user=u dbname=d port=1 host=h1"}');
SELECT node FROM raft_start('a', '{"a": "postgresql://h1:1/d?sslmode=require", "b": "host=''h2'' port=1 dbname=d"}');
SELECT node FROM raft_start('a', '{"a": "host=h1 port=1 dbname=d", "b": "host=h2 port=2 dbname=d"}');
SELECT conninfo FROM raft.members;
DROP EXTENSION raft_pg;
CREATE EXTENSION raft_pg;
BEGIN;
SELECT group_id = :'group_c' AS same
    FROM raft_start('b', '{"b": "dbname=d user=v host=h2 port=1 passfile=''/a b''", "a": "postgresql://h1:1/d"}');
SELECT conninfo FROM raft.members;
ROLLBACK;
SELECT raft_start('a', '{"a": "port=1 host=h", "b": "host=h port=1 user=u"}');

-- rolled back, it never happened
SELECT node, state FROM raft_state();
SELECT count(*) FROM raft.node;
SELECT raft_stop();

-- a group of one
SELECT node, node_id FROM raft_start();
SELECT raft_propose('first') > 0 AS proposed;
SELECT node, role, term > 0 AS term, leader, has_quorum, state, error FROM raft_state();
SELECT raft_is_leader(), raft_leader();
SELECT * FROM raft.members;
SELECT node, node_id, members FROM raft.node;

-- once more: the same is nothing new, another is an error
SELECT group_id AS group_before FROM raft.node \gset
SELECT node, group_id = :'group_before' AS same FROM raft_start();
SELECT node, group_id = :'group_before' AS same FROM raft_start('node1');
SELECT raft_start('node2');
\echo :LAST_ERROR_SQLSTATE
SELECT raft_start('node1', '{"node1": "port=1"}');
\echo :LAST_ERROR_SQLSTATE
INSERT INTO raft.node SELECT * FROM raft.node;

-- stopped, it keeps its identity and its log
BEGIN;
SELECT raft_stop();
ROLLBACK;
SELECT raft_propose('second') AS second \gset
SELECT raft_stop();
SELECT node, role, leader, state FROM raft_state();
SELECT raft_propose('stopped');
\echo :LAST_ERROR_SQLSTATE
SELECT * FROM raft.members;
SELECT count(*) FROM pg_stat_raft_replication;
SELECT raft_start('node2');
SELECT node, group_id = :'group_before' AS same FROM raft_start();
SELECT raft_propose('third') > :second AS later;
SELECT convert_from(command, 'UTF8') FROM raft.log WHERE kind = 'command' ORDER BY index;

DROP EXTENSION raft_pg;

-- not in a template database
SELECT current_database() AS main \gset
CREATE DATABASE regress_raft_template IS_TEMPLATE true;
\c regress_raft_template
CREATE EXTENSION raft_pg;
SELECT raft_start();
\echo :LAST_ERROR_SQLSTATE
\c :main
ALTER DATABASE regress_raft_template IS_TEMPLATE false;
DROP DATABASE regress_raft_template;
