-- raft_propose(), raft_propose_async() and raft_wait() on a group of one
CREATE EXTENSION raft_pg;
SELECT node FROM raft_start();

-- bytea, text and an untyped literal
SELECT raft_propose('hello') AS first \gset
SELECT raft_propose('hello'::text) - :first AS next;
SELECT raft_propose('\x00ff'::bytea) - :first AS next;
SELECT raft_propose('') - :first AS next;
SELECT raft_propose('hello', '10 s') - :first AS next;
SELECT raft_propose(command => 'hello', timeout => '0') - :first AS next;
SELECT index - :first AS place, kind, node_id, command FROM raft.log WHERE index >= :first ORDER BY index;

-- bad input
SELECT raft_propose(NULL::text);
\echo :LAST_ERROR_SQLSTATE
SELECT raft_propose('hello', '-1 s');
\echo :LAST_ERROR_SQLSTATE
SELECT raft_propose(repeat('x', 256 * 1024 + 1));
\echo :LAST_ERROR_SQLSTATE
SELECT raft_propose(repeat('x', 256 * 1024)) - :first AS next;

-- never where a rollback could seem to take it back
BEGIN;
SELECT raft_propose('in a block');
ROLLBACK;
\echo :LAST_ERROR_SQLSTATE
BEGIN;
SELECT raft_propose_async('in a block');
ROLLBACK;
\echo :LAST_ERROR_SQLSTATE
DO $$
BEGIN
    PERFORM raft_propose('in a subtransaction');
EXCEPTION WHEN no_data_found THEN
    NULL;
END
$$;
\echo :LAST_ERROR_SQLSTATE
CREATE TABLE written (i int);
DO $$
BEGIN
    INSERT INTO written VALUES (1);
    PERFORM raft_propose('after a write');
END
$$;
\echo :LAST_ERROR_SQLSTATE
CREATE SEQUENCE numbers;
SELECT count(raft_propose('number ' || nextval('numbers'))) FROM generate_series(1, 40);
SELECT raft_propose('a') \; SELECT raft_propose('b');
SET default_transaction_read_only = on;
SELECT raft_propose('read only');
\echo :LAST_ERROR_SQLSTATE
RESET default_transaction_read_only;
SELECT max(index) - :first AS last FROM raft.log;

-- but a loop in a DO block is fine
DO $$
BEGIN
    FOR i IN 1..100 LOOP
        PERFORM raft_propose('looped ' || i);
    END LOOP;
END
$$;
SELECT count(*), count(DISTINCT command), bool_and(command = convert_to('looped ' || index - :first - 46, 'UTF8')) AS in_order
    FROM raft.log WHERE command LIKE 'looped %';

-- a statement that also writes: a command for each row
CREATE TABLE noted (index bigint, what text);
INSERT INTO noted SELECT raft_propose('noted ' || i), 'noted ' || i FROM generate_series(1, 3) AS i;
WITH written AS (INSERT INTO noted VALUES (NULL, 'behind a write') RETURNING what)
    SELECT count(raft_propose(what)) FROM written;
SELECT what, count(raft.log.index), bool_and(noted.index = raft.log.index) AS same_place
    FROM noted LEFT JOIN raft.log ON command = convert_to(what, 'UTF8') GROUP BY what ORDER BY what;
-- and what is not executed proposes nothing
WITH unread AS (SELECT raft_propose('not executed')) SELECT 1 AS one;
SELECT 1 AS one WHERE false AND raft_propose('not executed') > 0;
EXPLAIN (COSTS OFF) SELECT raft_propose('not executed');
SELECT count(*) FROM raft.log WHERE command = 'not executed';
DROP TABLE noted;

-- what is deferred to the commit is checked with the statement: its error does not hide what was proposed
CREATE TABLE parent (i int PRIMARY KEY);
CREATE TABLE child (i int REFERENCES parent DEFERRABLE INITIALLY DEFERRED);
\set VERBOSITY terse
INSERT INTO child SELECT 1 FROM (SELECT raft_propose('before a deferred error')) p;
\echo :LAST_ERROR_SQLSTATE
DO $$
BEGIN
    PERFORM raft_propose('before a deferred error in a block');
    INSERT INTO child VALUES (1);
END
$$;
\echo :LAST_ERROR_SQLSTATE
INSERT INTO child VALUES (1);
\echo :LAST_ERROR_SQLSTATE
\set VERBOSITY default
SELECT count(*) FROM raft.log WHERE command LIKE 'before a deferred error%';
DROP TABLE child, parent;

-- without waiting
SELECT index AS async_index, term AS async_term, is_leader FROM raft_propose_async('async') \gset
SELECT :async_index > :first AS placed, :'is_leader' AS is_leader;
SELECT index > :async_index AS placed, is_leader FROM raft_propose_async('\x01'::bytea);
SELECT raft_wait(:async_index);
SELECT raft_wait(:async_index, :async_term);
SELECT raft_wait(:async_index, :async_term, '1 s');
\set VERBOSITY terse
SELECT raft_wait(:async_index, :async_term + 1);
\set VERBOSITY default
\echo :LAST_ERROR_SQLSTATE
SELECT raft_wait(:async_index + 1000, timeout => '10 ms');
SELECT raft_wait(NULL);
SELECT raft_wait(0);
\echo :LAST_ERROR_SQLSTATE
SELECT raft_wait(1, timeout => '-1 ms');

-- a transaction block may wait
BEGIN;
SELECT raft_wait(:async_index);
COMMIT;

-- figures
SELECT commit_index = last_index AND applied_index = last_index AS all_applied FROM raft_state();

DROP TABLE written;
DROP SEQUENCE numbers;
DROP EXTENSION raft_pg;
