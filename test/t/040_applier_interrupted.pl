# An error of this server in the middle of a command, alone in its batch or after a command
# that failed by its own fault: nothing of the batch stays, nothing is published, the
# batch is applied again whatever the clock says, and every command has its effects exactly once.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use RaftClock;
use RaftCluster;
use Test::More;

my $clock   = RaftClock->new;
my $cluster = RaftCluster->new(nodes => ['a']);
my $node    = $cluster->node('a');

$clock->run(sub { $cluster->start });

# The commands of the test: "fails" is an error of the command; "trouble" meets whatever
# the table of that name says.
$node->safe_psql(
	'postgres', q{
	CREATE TABLE trouble (kind text NOT NULL);
	CREATE OR REPLACE FUNCTION apply_command(bigint, bytea) RETURNS void LANGUAGE plpgsql AS $$
	DECLARE
		trouble text := (SELECT kind FROM public.trouble);
	BEGIN
		INSERT INTO public.commands VALUES ($1, $2);
		IF $2 = 'fails' THEN
			RAISE EXCEPTION USING ERRCODE = 'check_violation', MESSAGE = 'its own fault';
		END IF;
		IF $2 <> 'trouble' OR trouble IS NULL THEN
			RETURN;
		END IF;
		IF trouble = 'cancel' THEN
			PERFORM pg_advisory_xact_lock(3);
		ELSIF trouble = 'deadlock' THEN
			PERFORM pg_advisory_xact_lock(1);
			PERFORM pg_advisory_xact_lock(3);
			PERFORM pg_advisory_xact_lock(2);
		ELSE
			RAISE EXCEPTION USING ERRCODE = trouble, MESSAGE = 'this server cannot';
		END IF;
	END $$;
});

sub sql { return $cluster->value('a', @_) }

sub applier
{
	return sql("SELECT pid FROM pg_stat_activity WHERE backend_type = 'raft_pg applier'");
}

# An advisory lock that the applier waits for.
sub wait_for_applier
{
	my ($lock) = @_;
	return $cluster->wait_until(
		"the applier to wait for lock $lock",
		sub {
			(sql(qq{SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid)
				WHERE backend_type = 'raft_pg applier' AND NOT granted
					AND locktype = 'advisory' AND objid = $lock}) // 0) == 1;
		});
}

# These commands, ready all at once: the applier is held up until they are.
sub propose_together
{
	my @commands = @_;
	my $holder = $cluster->client('a');
	my $last;

	$holder->query('BEGIN');
	$holder->query('LOCK TABLE commands');
	foreach my $command ('first', @commands)
	{
		$last = sql("SELECT index FROM raft_propose_async('$command'::text)");
	}
	$cluster->wait_until('the commands to be committed',
		sub { ($cluster->state('a')->{commit_index} // 0) >= $last });
	$holder->query('COMMIT');
	return $last;
}

# What the trouble is, how it is made while the applier is in it.
my %make = (
	cancel => sub {
		wait_for_applier(3);
		sql('SELECT pg_cancel_backend(' . applier() . ')');
	},
	deadlock => sub {
		my ($gate, $other) = @_;
		wait_for_applier(3);
		$other->send_query('SELECT pg_advisory_xact_lock(1)');
		$cluster->wait_until('the other side of the deadlock', sub {
			(sql("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 1 AND NOT granted") // 0) == 1;
		});
		$gate->query('SELECT pg_advisory_unlock(3)');
	},
	'53100' => sub { },
	'53200' => sub { });
my %message = (
	cancel   => qr/canceling statement/,
	deadlock => qr/deadlock detected/,
	'53100'  => qr/this server cannot/,
	'53200'  => qr/this server cannot/);

my $applier = applier();
my $failed = 0;

foreach my $mode ('plain', 'careful')
{
	foreach my $kind ('cancel', 'deadlock', '53100', '53200')
	{
		my $what = "$kind, " . ($mode eq 'plain' ? 'in a batch without failures' : 'after a command that failed');
		my $gate  = $cluster->client('a');
		my $other = $cluster->client('a');
		my $retries = sql('SELECT apply_retries FROM pg_stat_raft');

		$gate->query('SELECT pg_advisory_lock(3)');
		$other->query('SET deadlock_timeout = 3600000');
		$other->query('BEGIN');
		$other->query('SELECT pg_advisory_xact_lock(2)');
		sql("INSERT INTO trouble VALUES ('$kind')");
		my @commands = ('before', ($mode eq 'careful' ? 'fails' : ()), 'between', 'trouble', 'after');
		my $last = propose_together(@commands);
		my $before = sql("SELECT max(index) FROM commands");
		$make{$kind}->($gate, $other);
		ok( $cluster->wait_until(
				'the retry', sub { (sql('SELECT apply_retries FROM pg_stat_raft') // 0) > $retries }),
			"$what: the batch is tried again");
		like(sql('SELECT apply_error FROM pg_stat_raft') // '', $message{$kind}, 'and the view says why')
		  if $kind =~ /^5/;
		is( sql(qq{SELECT count(*) FROM commands CROSS JOIN raft.applied WHERE index > applied_index}),
			0, 'nothing has effects that is not applied');
		sql('DELETE FROM trouble');
		$gate->close;
		$other->close;
		ok($cluster->wait_applied($last, 'a'), 'once the trouble is over it is applied');
		$failed += $mode eq 'careful';
		is( sql(qq{SELECT string_agg(convert_from(command, 'UTF8'), ' ' ORDER BY index)
				FROM commands WHERE index > $last - } . scalar(@commands)),
			join(' ', grep { $_ ne 'fails' } @commands), 'each command once, in order');
		is(sql('SELECT count(*) FROM raft.failures'), $failed, 'the failures are those of the commands');
	}
}

# --- the clock is set back between two attempts ---

sql(q{INSERT INTO trouble VALUES ('53100')});
my $last = sql(q{SELECT index FROM raft_propose_async('trouble'::text)});
my $retries = sql('SELECT apply_retries FROM pg_stat_raft');
$cluster->wait_until('an attempt', sub { sql('SELECT apply_retries FROM pg_stat_raft') > $retries });
$clock->set(-3600);
sql('DELETE FROM trouble');
ok($cluster->wait_applied($last, 'a'), 'the next attempt comes although the clock was set back by an hour');
$clock->set(0);

is(sql('SELECT count(*) - count(DISTINCT index) FROM commands'), 0, 'nothing was applied twice');
is(applier(), $applier, 'the applier has lived through all of it');

$node->stop;
$node->start;
$cluster->wait_leader;
ok($cluster->propose('a', 'after a restart'), 'and goes on after a restart of the server');
my $log = PostgreSQL::Test::Utils::slurp_file($node->logfile);
unlike($log, qr/unexpected state|is no longer in the log of this node|transaction is open/, 'without a confused transaction');

done_testing();
