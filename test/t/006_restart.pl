# Groups come back by themselves: after a restart of every server, after a crash of a
# process inside one, after the crash of a worker.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use RaftCluster;
use Test::More;

my $cluster = RaftCluster->new;
my $leader  = $cluster->start;

$cluster->propose($leader, "before $_") foreach 1 .. 10;
ok($cluster->wait_same_state, 'all three hold the same');
my $digest = $cluster->digest('a');

foreach my $mode (qw(fast immediate))
{
	$cluster->node($_)->stop($mode) foreach $cluster->names;
	$cluster->node($_)->start foreach $cluster->names;
	$leader = $cluster->wait_leader;
	ok($leader, "all servers were stopped ($mode) and started: the group is there, without a raft_start()");
	ok($cluster->wait_same_state, 'all three hold the same');
	is($cluster->digest('a'), $digest, 'and nothing was lost or applied twice');
}

# A lost process makes PostgreSQL reset its shared memory and recover.
my $node = $cluster->node($leader);
my $backend = $cluster->client($leader);
my $pid = $backend->value('SELECT pg_backend_pid()');
kill 'KILL', $pid;
ok( $cluster->wait_until('the server to recover', sub { !RaftCluster::alive($pid) && $cluster->wait_leader }),
	'a backend of the leader was killed: the server recovers and the group is there again');
ok($cluster->on_leader("SELECT raft_propose('after the backend'::text)"), 'it takes commands');

foreach my $worker (qw(node applier))
{
	$leader = $cluster->wait_leader;
	$pid = $cluster->value($leader,
		"SELECT pid FROM pg_stat_activity WHERE backend_type ILIKE 'raft%$worker%'");
	ok($pid, "the $worker worker shows in pg_stat_activity");
	kill 'TERM', $pid;
	ok( $cluster->wait_until(
			"another $worker worker",
			sub {
				my $other = $cluster->value($leader,
					"SELECT pid FROM pg_stat_activity WHERE backend_type ILIKE 'raft%$worker%'");
				return $other && $other != $pid;
			}),
		'it was terminated: another takes its place');
	ok($cluster->on_leader("SELECT raft_propose('after the $worker'::text)"), 'the group takes commands');
}
ok($cluster->wait_same_state, 'all three hold the same');

# raft_stop() lasts: a restart does not undo it.
my ($stopped) = $cluster->others($cluster->wait_leader);
$cluster->node($stopped)->safe_psql('postgres', 'SELECT raft_stop()');
$cluster->node($stopped)->restart;
is( $cluster->value($stopped, "SELECT count(*) FROM pg_stat_activity WHERE backend_type ILIKE 'raft%node%'"),
	0, 'after raft_stop() and a restart the group does not run');
$cluster->start_groups($stopped);
ok($cluster->wait_leader, 'raft_start() with the same members lets it rejoin');
ok($cluster->wait_same_state, 'with what it has missed');

done_testing();
