# An operator's mistakes: a member that has lost its log comes back under its old name.  Nobody
# listens to it, whatever a superuser deletes, so it cannot outvote what it had acknowledged.
# When its disk is set back in place, and those are made to forget it who could know, the member that
# knows better does not follow; its group fails and says so, while its server goes on.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use RaftCluster;
use RaftDirectory;
use Test::More;

my $cluster = RaftCluster->new(settings => { 'raft_pg.record_events' => 'on' });
my $leader  = $cluster->start;
my ($away, $forgetful) = $cluster->others($leader);

my $image = PostgreSQL::Test::Utils::tempdir() . '/image';
$cluster->node($forgetful)->stop('fast');
RaftDirectory::copy($cluster->node($forgetful)->data_dir, $image);
$cluster->node($forgetful)->start;
$leader = $cluster->wait_leader;
while ($leader eq $forgetful)
{
	$cluster->node($forgetful)->restart;
	$leader = $cluster->wait_leader;
}
($away) = $cluster->others($leader, $forgetful);
$cluster->node($away)->stop('fast');
ok($cluster->propose($leader, "acknowledged $_"), "command $_ is acknowledged by two of three") foreach 1 .. 3;
$cluster->node($leader)->stop('fast');

# Meanwhile the directory that it had is put aside, with the files that it knows.
$cluster->node($forgetful)->stop('fast');
my $own = RaftDirectory::replace($cluster->node($forgetful), $image);
$cluster->node($forgetful)->start;
$cluster->node($forgetful)->safe_psql('postgres', 'DROP EXTENSION raft_pg');
$cluster->node($forgetful)->safe_psql('postgres', 'CREATE EXTENSION raft_pg');
$cluster->start_groups($forgetful);
$cluster->node($away)->start;
ok( $cluster->wait_until('the refusal of the new log',
		sub { ($cluster->value($forgetful, "SELECT last_error FROM pg_stat_raft_replication WHERE node = '$away'")
			  // '') =~ /comes with another log than before/ }),
	'the other member does not listen to one that has lost its log');
is($cluster->value($_, q{SELECT count(*) FROM pg_stat_raft WHERE leaderships > 0 OR leader IS NOT NULL}),
	0, "so $_ knows no leader")
  foreach $away, $forgetful;

$cluster->node($away)->safe_psql('postgres', 'DELETE FROM raft.peers');
my $refusals = "FROM pg_stat_raft_replication WHERE node = '$forgetful'";
my $before = $cluster->value($away, "SELECT incoming_error_time $refusals");
$cluster->node($forgetful)->safe_psql('postgres', 'SELECT pg_reload_conf()');
ok( $cluster->wait_until('another refusal',
		sub { ($cluster->value($away, "SELECT incoming_error_time > '$before' AND incoming_error ~ 'another log than before' $refusals") // '') eq 't' }),
	'nor does it when a superuser has it forget what it has met: the configuration names the log');

$cluster->node($forgetful)->stop('fast');
RaftDirectory::put_back($cluster->node($forgetful), $own);
RaftDirectory::set_back($cluster->node($forgetful), $image);
$cluster->node($forgetful)->start;
ok($cluster->wait_leader($away, $forgetful), 'its disk is set back: the two that do not know the commands elect a leader');
ok($cluster->on_leader("SELECT raft_propose('instead'::text)", $away, $forgetful), 'which takes others');

my $node = $cluster->node($leader);
my $log  = -s $node->logfile;
$node->start;
$node->safe_psql('postgres', 'DELETE FROM raft.peers');
my $postmaster = $node->{_pid};
ok( $cluster->wait_until('the group of the one that knows better to fail',
		sub { ($cluster->state($leader)->{state} // '') eq 'failed' }),
	'the group of the one that knows better fails');
like($cluster->state($leader)->{error} // '', qr/Raft consistency check failed.*Assertion/, 'and says why');
like(PostgreSQL::Test::Utils::slurp_file($node->logfile, $log), qr/HINT:  A member was probably set back.*the one that leads/,
	'with a hint where to look');
is($node->safe_psql('postgres', q{SELECT count(*) FROM commands WHERE command LIKE 'acknowledged%'}),
	3, 'its server still holds the commands');
unlike(PostgreSQL::Test::Utils::slurp_file($node->logfile, $log), qr/PANIC|reinitializing/,
	'and has not gone down');
is((split /\n/, PostgreSQL::Test::Utils::slurp_file($node->data_dir . '/postmaster.pid'))[0],
	$postmaster, 'nor been started anew');

# Its last event is the one that could not be.
like($cluster->replay(($cluster->recordings($leader))[-1]),
	qr/the core stops: \w+\.c:\d+: .*^0 passed, 1 failed$/ms, 'the replay of its recording stops there, too');

done_testing();
