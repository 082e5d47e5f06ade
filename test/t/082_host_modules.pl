# Modules of the host by themselves, against models in memory (test/host): random steps, each
# run from its seed.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use RaftCluster;
use RaftStop;
use Test::More;

my $cluster = RaftCluster->new(nodes => ['a']);
my $node    = $cluster->node('a');

# The stop points' directory is what RaftStop is for; this script needs the build alone.
RaftStop->new($cluster, 'a');
$node->start;
$node->safe_psql('postgres', q{
	CREATE FUNCTION test_inbox(bigint, integer) RETURNS text STRICT LANGUAGE c AS 'raft_pg', 'raft_test_inbox'});

is($node->safe_psql('postgres', 'SELECT seed, test_inbox(seed, 5000) AS wrong FROM generate_series(1, 20) seed WHERE test_inbox(seed, 5000) IS NOT NULL LIMIT 1'),
	'', 'the inbox does what its model does');

# Each in a table of its own, which is empty.  What broke; a server that falls over is an answer, too.
$node->safe_psql('postgres', q{
	CREATE FUNCTION test_log(regclass, bigint, integer) RETURNS text STRICT LANGUAGE c AS 'raft_pg', 'raft_test_log';
	CREATE FUNCTION test_log_damage(regclass, bigint, integer) RETURNS text STRICT LANGUAGE c AS 'raft_pg', 'raft_test_log_damage';
	CREATE PROCEDURE test_logs(function text, seeds integer, steps integer) LANGUAGE plpgsql AS $$
		DECLARE wrong text;
		BEGIN
			FOR seed IN 1 .. seeds LOOP
				CREATE TABLE log_under_test ();
				EXECUTE format('SELECT %I($1, $2, $3)', function) INTO wrong USING 'log_under_test'::regclass, seed::bigint, steps;
				IF wrong IS NOT NULL THEN RAISE EXCEPTION 'seed %: %', seed, wrong; END IF;
				DROP TABLE log_under_test;
				COMMIT;
			END LOOP;
		END $$});

sub test_logs
{
	my (@arguments) = @_;
	my ($code, $output, $errors) = $node->psql('postgres', 'CALL test_logs(' . join(', ', @arguments) . ')');
	return $errors;
}

is(test_logs(q{'test_log'}, 20, 3000), '', 'the log does what its model does');
is(test_logs(q{'test_log_damage'}, 20, 300), '', 'a damaged log is read whole or with an error');

done_testing();
