-- raft.log: readable with SELECT, and with nothing else
CREATE EXTENSION raft_pg;
SELECT count(*) FROM raft.log;
SELECT node FROM raft_start();
SELECT raft_propose('one') AS first \gset
SELECT raft_propose('two') - :first AS next;

SELECT index, kind, node_id FROM raft.log WHERE index <= 2 ORDER BY index;
SELECT index - :first AS place, kind, node_id, convert_from(command, 'UTF8') AS command
    FROM raft.log WHERE index >= :first ORDER BY index;
SELECT count(*) = max(index) AS without_gaps, min(term) > 0 AS terms,
       bool_and(proposed_at <= clock_timestamp()) AS clocks FROM raft.log;
SELECT a.index - :first AS place FROM raft.log a JOIN raft.log b ON a.index = b.index + 1
    WHERE b.command = 'one';

-- a large command, over many pages
SELECT raft_propose(repeat('abcdefgh', 25000)) - :first AS place;
SELECT length(command), md5(command) = md5(repeat('abcdefgh', 25000)) AS same
    FROM raft.log WHERE index = :first + 2;

-- changes are refused
INSERT INTO raft.log VALUES (1, 1, 'command', 1, now(), 'mine');
\echo :LAST_ERROR_SQLSTATE
COPY raft.log FROM stdin;
1	1	command	1	2024-01-01	mine
\.
UPDATE raft.log SET term = 2;
\echo :LAST_ERROR_SQLSTATE
DELETE FROM raft.log;
\echo :LAST_ERROR_SQLSTATE
TRUNCATE raft.log;
\echo :LAST_ERROR_SQLSTATE
CLUSTER raft.log;
CREATE INDEX ON raft.log (index);
ALTER TABLE raft.log ALTER COLUMN term TYPE text;
ALTER TABLE raft.log SET ACCESS METHOD heap;
SELECT * FROM raft.log FOR UPDATE;
CREATE TABLE another_log () USING raft_log;
CREATE TABLE moved AS SELECT * FROM raft.log WHERE false;
DROP TABLE moved;

-- maintenance does no harm
VACUUM raft.log;
ANALYZE raft.log;
CREATE TABLE others (number int);
INSERT INTO others SELECT generate_series(1, 1000);
SELECT pg_relation_filenode('raft.log') AS file_of_log, pg_relation_filenode('others') AS file_of_others \gset
VACUUM FULL raft.log;
VACUUM FULL raft.log, others;
VACUUM (FULL, ANALYZE) raft.log;
SELECT pg_relation_filenode('raft.log') = :file_of_log AS log_stays,
       pg_relation_filenode('others') = :file_of_others AS others_stay, pg_relation_filenode('others') AS file_of_others \gset next_
SELECT :'next_log_stays' AS log_stays, :'next_others_stay' AS others_stay;
-- those that rewrite a database go on with its other tables
VACUUM FULL;
SELECT pg_relation_filenode('raft.log') = :file_of_log AS log_stays,
       pg_relation_filenode('others') = :next_file_of_others AS others_stay, pg_relation_filenode('others') AS file_of_others \gset after_
SELECT :'after_log_stays' AS log_stays, :'after_others_stay' AS others_stay;
SELECT current_setting('server_version_num')::int >= 190000 AS has_repack \gset
\if :has_repack
REPACK (ANALYZE off);
\else
VACUUM FULL;
\endif
SELECT pg_relation_filenode('raft.log') = :file_of_log AS log_stays,
       pg_relation_filenode('others') = :after_file_of_others AS others_stay;
CLUSTER;
ANALYZE;
VACUUM;
DROP TABLE others;
SELECT raft_propose('after the vacuum') - :first AS place;
SELECT count(*) = max(index) AS without_gaps FROM raft.log;
SELECT pg_relation_size('raft.log') > 0 AS has_pages;

DROP EXTENSION raft_pg;
