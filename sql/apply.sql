-- the apply function: set and unset, exactly once, in order; errors of commands; what it may do
CREATE EXTENSION raft_pg;
SELECT node FROM raft_start();

CREATE TABLE applied (index bigint PRIMARY KEY, command text NOT NULL CHECK (command <> 'forbidden'));
CREATE FUNCTION apply(index bigint, command bytea) RETURNS void LANGUAGE sql
    AS $$ INSERT INTO applied VALUES (index, convert_from(command, 'UTF8')) $$;

-- without a function, commands are committed and nothing else
SELECT raft_propose('nobody wants it') AS first \gset
SELECT count(*) FROM applied;
SELECT apply_function FROM raft.applied;

-- what can be set
CREATE PROCEDURE a_procedure(bigint, bytea) LANGUAGE sql AS '';
CREATE FUNCTION one_argument(bytea) RETURNS void LANGUAGE sql AS '';
CREATE FUNCTION a_set(bigint, bytea) RETURNS SETOF int LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION pg_temp.temporary(bigint, bytea) RETURNS void LANGUAGE sql AS '';
SELECT raft_set_apply('a_procedure(bigint, bytea)');
\echo :LAST_ERROR_SQLSTATE
SELECT raft_set_apply('one_argument(bytea)');
\echo :LAST_ERROR_SQLSTATE
SELECT raft_set_apply('a_set(bigint, bytea)');
SELECT raft_set_apply('pg_temp.temporary(bigint, bytea)');
SELECT raft_set_apply('missing(bigint, bytea)');
\echo :LAST_ERROR_SQLSTATE
SELECT raft_set_apply(4294967295);
BEGIN;
SELECT raft_set_apply('apply(bigint, bytea)');
ROLLBACK;
\echo :LAST_ERROR_SQLSTATE

SELECT raft_set_apply('apply(bigint, bytea)') - :first AS place;
SELECT applied_index - :first AS place, apply_function FROM raft.applied;
SELECT index - :first AS place, kind, convert_from(command, 'UTF8') AS command
    FROM raft.log WHERE index > :first ORDER BY index;

-- applied once raft_propose() returns
SELECT raft_propose('one') - :first AS place;
SELECT raft_propose('two') - :first AS place;
SELECT index - :first AS place, command FROM applied ORDER BY index;

-- in order and once each
DO $$
BEGIN
    FOR i IN 1..200 LOOP
        PERFORM raft_propose_async('many ' || i);
    END LOOP;
    PERFORM raft_propose('the last');
END
$$;
SELECT count(*), count(DISTINCT command), max(index) - min(index) + 1 AS range,
       bool_and(command = 'many ' || index - :first - 3) FILTER (WHERE command LIKE 'many %') AS in_order
    FROM applied WHERE index > :first + 3;

-- a command that fails is recorded, its proposer gets the error, the others proceed
SELECT raft_propose('forbidden');
\echo :LAST_ERROR_SQLSTATE
SELECT raft_propose('\xff'::bytea);
\echo :LAST_ERROR_SQLSTATE
SELECT raft_propose('after the failures') - :first AS place;
SELECT index - :first AS place, sqlstate, message FROM raft.failures ORDER BY index;
SELECT count(*) FROM applied WHERE command IN ('forbidden', 'after the failures');

-- a batch with failures in it
DO $$
BEGIN
    FOR i IN 1..200 LOOP
        PERFORM raft_propose_async(CASE WHEN i % 10 = 0 THEN 'forbidden' ELSE 'mixed ' || i END);
    END LOOP;
    PERFORM raft_propose('the last of the mixed');
END
$$;
SELECT count(*) FROM applied WHERE command LIKE 'mixed %';
SELECT count(*) FROM raft.failures;
SELECT failures FROM pg_stat_raft;

-- the function runs as its owner, restricted; it leaves no setting behind
CREATE ROLE regress_raft_owner;
GRANT INSERT, SELECT ON applied TO regress_raft_owner;
GRANT EXECUTE ON FUNCTION raft_propose(text, interval) TO regress_raft_owner;
CREATE FUNCTION apply_owned(index bigint, command bytea) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO applied VALUES (index, current_user || ', work_mem ' || current_setting('work_mem'));
    PERFORM set_config('work_mem', '77MB', false);
    EXECUTE convert_from(command, 'UTF8');
    RETURN 'whatever';
END
$$;
ALTER FUNCTION apply_owned(bigint, bytea) OWNER TO regress_raft_owner;
SELECT raft_set_apply('apply_owned(bigint, bytea)') AS owned \gset
SELECT raft_propose('SELECT 1') - :owned AS place;
SELECT raft_propose('SELECT 2') - :owned AS place;
SELECT index - :owned AS place, command FROM applied WHERE index > :owned ORDER BY index;
SELECT raft_propose('DELETE FROM raft.applied');
SELECT raft_propose('SET ROLE pg_monitor');
SELECT raft_propose('RESET SESSION AUTHORIZATION');
SELECT raft_propose('CREATE TEMP TABLE t ()');
SELECT raft_propose('COMMIT');
SELECT raft_propose($$SELECT raft_propose('a command that proposes')$$);
SELECT raft_propose($$RAISE EXCEPTION$$);
SELECT raft_propose($$DO 'BEGIN RAISE EXCEPTION ''my own'' USING ERRCODE = ''R0001''; END'$$);
\echo :LAST_ERROR_SQLSTATE
SELECT index - :owned AS place, sqlstate FROM raft.failures WHERE index > :owned ORDER BY index;

-- a deferred constraint is checked with its command
CREATE TABLE parent (id int PRIMARY KEY);
CREATE TABLE child (id int REFERENCES parent DEFERRABLE INITIALLY DEFERRED);
CREATE FUNCTION apply_sql(bigint, bytea) RETURNS void LANGUAGE plpgsql
    AS $$ BEGIN EXECUTE convert_from($2, 'UTF8'); END $$;
SELECT raft_set_apply('apply_sql(bigint, bytea)') AS sql \gset
SELECT raft_propose('INSERT INTO child VALUES (1)');
\echo :LAST_ERROR_SQLSTATE
SELECT raft_propose('INSERT INTO parent VALUES (1)') - :sql AS place;
SELECT raft_propose('INSERT INTO child VALUES (1)') - :sql AS place;

-- a function that is gone is not the command's fault: it waits for the function to come back
ALTER FUNCTION apply_sql(bigint, bytea) RENAME TO apply_hidden;
SELECT index AS waiting FROM raft_propose_async('INSERT INTO parent VALUES (2)') \gset
SELECT raft_wait(:waiting, timeout => '300 ms');
SELECT apply_error, apply_retries > 0 AS retried FROM pg_stat_raft;
ALTER FUNCTION apply_hidden(bigint, bytea) RENAME TO apply_sql;
SELECT raft_wait(:waiting);
SELECT * FROM parent ORDER BY id;
SELECT apply_error FROM pg_stat_raft;
SELECT count(*) FROM raft.failures WHERE index = :waiting;

-- nor are errors that say something about this server: the same command is tried again
CREATE TABLE server (disk_is_full boolean);
INSERT INTO server VALUES (true);
SELECT index AS waiting FROM raft_propose_async($$DO 'BEGIN
    INSERT INTO parent VALUES (3);
    IF (SELECT disk_is_full FROM server) THEN
        RAISE disk_full USING MESSAGE = ''no space left'';
    END IF;
END'$$) \gset
SELECT raft_wait(:waiting, timeout => '300 ms');
SELECT apply_error, apply_error_time <= clock_timestamp() AS apply_error_time FROM pg_stat_raft;
UPDATE server SET disk_is_full = false;
SELECT raft_wait(:waiting);
SELECT * FROM parent ORDER BY id;
SELECT apply_error, apply_error_time FROM pg_stat_raft;

-- a command that can never succeed for such a reason stops the applier, until the function refuses it
CREATE OR REPLACE FUNCTION apply_sql(bigint, bytea) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO parent SELECT jsonb_array_length(convert_from($2, 'UTF8')::jsonb);
END
$$;
SELECT index AS waiting FROM raft_propose_async(repeat('[', 100000) || repeat(']', 100000)) \gset
SELECT raft_wait(:waiting, timeout => '300 ms');
SELECT apply_error FROM pg_stat_raft;
CREATE OR REPLACE FUNCTION apply_sql(bigint, bytea) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO parent SELECT jsonb_array_length(convert_from($2, 'UTF8')::jsonb);
EXCEPTION WHEN statement_too_complex THEN
    RAISE EXCEPTION 'too deeply nested';
END
$$;
SELECT raft_wait(:waiting);
SELECT apply_error FROM pg_stat_raft;
SELECT sqlstate, message FROM raft.failures WHERE index = :waiting;

-- or until the group decides that it is not executed
CREATE OR REPLACE FUNCTION apply_sql(bigint, bytea) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO parent SELECT jsonb_array_length(convert_from($2, 'UTF8')::jsonb);
END
$$;
SELECT index AS waiting FROM raft_propose_async(repeat('[', 100000) || repeat(']', 100000)) \gset
SELECT index AS behind FROM raft_propose_async('[1, 2, 3, 4]') \gset
SELECT raft_wait(:behind, timeout => '300 ms');
SELECT apply_error, apply_error_index - :waiting AS place FROM pg_stat_raft;
\set VERBOSITY terse
SELECT raft_skip(NULL);
SELECT raft_skip(0);
\echo :LAST_ERROR_SQLSTATE
SELECT raft_skip(1);
\echo :LAST_ERROR_SQLSTATE
BEGIN;
SELECT raft_skip(:waiting);
ROLLBACK;
\set VERBOSITY default
SELECT raft_skip(:waiting) - :waiting AS place;
SELECT raft_wait(:behind);
SELECT index - :waiting AS place, sqlstate, regexp_replace(message, '\d+', 'M') AS message
    FROM raft.failures WHERE index = :waiting;
SELECT index - :waiting AS place, decided_at - :waiting AS decided_at, executed FROM raft.skips;
SELECT index - :waiting AS place, kind FROM raft.log WHERE index >= :waiting ORDER BY index;
SELECT apply_error, apply_error_index FROM pg_stat_raft;
SELECT * FROM parent ORDER BY id;

-- what is done cannot be skipped
\set VERBOSITY sqlstate
SELECT raft_skip(:waiting);
SELECT raft_skip(:behind + 1000);
SELECT raft_skip_undone(:waiting);
\set VERBOSITY default

-- replaced, the new definition counts; unset, nobody gets commands
CREATE OR REPLACE FUNCTION apply_sql(bigint, bytea) RETURNS void LANGUAGE sql
    AS 'INSERT INTO parent SELECT 1000 + length($2)';
SELECT raft_propose('four') - :waiting AS place;
SELECT raft_set_apply(NULL) - :waiting AS place;
SELECT raft_propose('fifth') - :waiting AS place;
SELECT * FROM parent ORDER BY id;
SELECT apply_function FROM raft.applied;

-- what was set and applied outlives a stop
SELECT raft_set_apply('apply(bigint, bytea)') > 0 AS set;
SELECT raft_stop();
SELECT node FROM raft_start();
SELECT raft_propose('after the stop') AS restarted \gset
SELECT index = :restarted AS applied, command FROM applied ORDER BY index DESC LIMIT 1;

-- by its name alone, whatever else is called so; by name and arguments; as regprocedure
CREATE FUNCTION apply(text) RETURNS void LANGUAGE sql AS '';
SELECT raft_set_apply('apply') > 0 AS set, raft_set_apply('public.apply ') > 0 AS qualified;
SELECT raft_set_apply('apply(bigint, bytea)'::regprocedure) > 0 AS set;
DROP FUNCTION apply(text);
SELECT raft_set_apply('missing');
SELECT raft_set_apply('one_argument');
SELECT raft_set_apply('');
SELECT apply_function FROM raft.applied;

-- jsonb comes as its text
SELECT raft_propose('{"b": 1,   "a": [true, null, "é"]}'::jsonb) AS json \gset
SELECT command FROM applied WHERE index = :json;
SELECT is_leader FROM raft_propose_async('"async"'::jsonb);
SELECT raft_propose('and the next') - :json AS place;
SELECT command FROM applied WHERE index > :json ORDER BY index;
SELECT raft_propose(NULL::jsonb);

-- a statement does not see what its own commands do, the next one does; in a loop, too
SELECT raft_propose('new') > 0 AS applied, (SELECT count(*) FROM applied WHERE command = 'new') AS seen;
SELECT count(*) AS seen FROM applied WHERE command = 'new';
DO $$
DECLARE
    seen bigint;
BEGIN
    FOR i IN 1..3 LOOP
        PERFORM raft_propose('looped');
        SELECT count(*) INTO seen FROM applied WHERE command = 'looped';
        RAISE INFO '%', seen;
    END LOOP;
END
$$;

DROP EXTENSION raft_pg;
DROP TABLE applied, parent, child, server;
DROP FUNCTION apply, apply_owned, apply_sql, one_argument, a_set;
DROP PROCEDURE a_procedure;
DROP ROLE regress_raft_owner;
