# The applier: a slow or failing state machine on one node delays nobody else, nothing is
# skipped, and what is a command's own fault is the same result everywhere.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use RaftCluster;
use Test::More;

my $cluster = RaftCluster->new(settings => { 'raft_pg.election_timeout' => '1s', 'raft_pg.max_apply_delay' => -1 });
my $leader  = $cluster->start;
my ($slow, $other) = $cluster->others($leader);
my $term = $cluster->state($leader)->{term};
my $slow_client = $cluster->client($slow);

# --- blocked ---

$slow_client->query('BEGIN');
$slow_client->query('LOCK TABLE commands');
my $index;
$index = $cluster->propose($leader, "while blocked $_") foreach 1 .. 10;
ok($index, 'one node cannot apply: the leader goes on');
ok($cluster->wait_applied($index, $leader, $other), 'and so does the third');
ok( $cluster->wait_until(
		'the commit index of the blocked node',
		sub { ($cluster->state($slow)->{commit_index} // 0) >= $index }),
	'the blocked node takes part in the agreement');
cmp_ok($cluster->state($slow)->{applied_index}, '<', $index, 'and says that it has not applied it');
$slow_client->query('COMMIT');
ok($cluster->wait_same_state, 'once it is free it catches up');

my $leader_client = $cluster->client($leader);
$leader_client->query('BEGIN');
$leader_client->query('LOCK TABLE commands');
my $waiting = $cluster->client($leader);
$waiting->send_query("SELECT raft_propose('waits for the table')");
ok( $cluster->wait_until(
		'the others to apply it',
		sub { ($cluster->value($other, "SELECT count(*) FROM commands WHERE command = 'waits for the table'") // 0) == 1 }),
	'the leader cannot apply: the command is committed and applied elsewhere');
is($cluster->state($leader)->{role}, 'leader', 'and the leader leads on');
$leader_client->query('ROLLBACK');
ok(!$waiting->answer->{error}, 'the proposer has its answer once the leader has applied it');

# --- failures of this machine: retried, never skipped ---

sub apply_error
{
	my ($name) = @_;
	return $cluster->value($name, 'SELECT apply_error FROM pg_stat_raft') // '';
}

$cluster->node($slow)->safe_psql('postgres', 'ALTER FUNCTION apply_command(bigint, bytea) RENAME TO away');
$index = $cluster->propose($leader, 'without the function');
ok($cluster->wait_until('the status of the applier', sub { apply_error($slow) =~ /apply_command/ }),
	'a node without the function says so in its status');
cmp_ok($cluster->state($slow)->{applied_index}, '<', $index, 'and waits');
$cluster->node($slow)->safe_psql('postgres', 'ALTER FUNCTION away(bigint, bytea) RENAME TO apply_command');
ok($cluster->wait_same_state, 'once it is back the node goes on where it was');
is(apply_error($slow), '', 'and its status is clear');

$cluster->node($_)->safe_psql(
	'postgres', q{
	CREATE TABLE disk (is_full boolean NOT NULL);
	INSERT INTO disk VALUES (false);
	CREATE OR REPLACE FUNCTION apply_command(bigint, bytea) RETURNS void LANGUAGE plpgsql AS $$
	BEGIN
		INSERT INTO public.commands VALUES ($1, $2);
		IF (SELECT is_full FROM public.disk) THEN
			RAISE EXCEPTION USING ERRCODE = 'disk_full', MESSAGE = 'no space left';
		END IF;
		IF $2 = 'wrong' THEN
			RAISE EXCEPTION USING ERRCODE = 'check_violation', MESSAGE = 'wrong command';
		END IF;
		IF $2 = 'verbose' THEN
			RAISE EXCEPTION '%', repeat(U&'\00e9', 200);
		END IF;
	END $$;
}) foreach $cluster->names;
$cluster->node($slow)->safe_psql('postgres', 'UPDATE disk SET is_full = true');
$index = $cluster->propose($leader, 'on a full disk');
ok($index, 'an error of one machine does not concern the proposer');
ok($cluster->wait_until('the status of the applier', sub { apply_error($slow) =~ /no space left/ }),
	'that node says so in its status');
$cluster->node($slow)->safe_psql('postgres', 'UPDATE disk SET is_full = false');
ok($cluster->wait_same_state, 'and applies the command once it can');

# --- failures of the command: its result, everywhere ---

my $client = $cluster->client($leader);
my $result = $client->query("SELECT raft_propose('wrong'::text)");
is($result->{error}{C}, '23514', 'a command that fails by its own fault: the proposer gets the error');
is($result->{error}{M}, 'wrong command', 'with its message');
ok($cluster->propose($leader, 'right'), 'the next command is applied');
ok($cluster->wait_same_state, 'all three hold the same');
my $failures = q{SELECT string_agg(index || ' ' || term || ' ' || sqlstate || ' ' || message, ', ') FROM raft.failures};
my $expected = $cluster->value($leader, $failures);
like($expected, qr/^\d+ \d+ 23514 wrong command$/, 'the failure is recorded');
is($cluster->value($_, $failures), $expected, "on $_ as on the leader") foreach $slow, $other;

my $message = $client->query("SELECT raft_propose('verbose'::text)")->{error}{M};
ok(utf8::decode($message), 'a message that is too long for its place is cut between two characters');
is($message, "\x{e9}" x 127, 'as late as can be');

# --- a worker that dies in the middle ---

my $pid = $cluster->value($slow, "SELECT pid FROM pg_stat_activity WHERE backend_type = 'raft_pg applier'");
kill 'TERM', $pid;
ok($cluster->propose($leader, 'while the applier is away'), 'the applier of a node was terminated');
ok($cluster->wait_same_state, 'its successor goes on where it was');
is($cluster->state($leader)->{term}, $term, 'all of it in one term');

done_testing();
