# Streams that meet a lock give up before their peers dial again: however long the lock is
# held, the server has a few backends for each peer, and connections left for clients.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use RaftCluster;
use Test::More;
use Time::HiRes qw(sleep);

use constant {
	ROUNDS => 7,    # of dialling, of each peer
	# One that gives up and the next one; one more for a slow machine.
	MOST => 3 };

my $cluster = RaftCluster->new(settings => { 'raft_pg.connect_timeout' => '700ms' });
my $leader  = $cluster->start;
my ($locked) = $cluster->others($leader);
my @peers = $cluster->others($locked);

my $locker = $cluster->client($locked);
$locker->query($_) foreach 'BEGIN', 'CREATE TABLE holds_a_lock (node_id integer REFERENCES raft.peers)';
my $watcher = $cluster->client($locked);
$watcher->query(q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'raft_pg: % -> %'});

my (%attempts, %most);
my $enough = $cluster->wait_until(
	'attempts of each peer',
	sub {
		# A reload lets them dial at once; else the rounds would become rare.
		$cluster->node($_)->reload foreach @peers;
		foreach (1 .. 10)
		{
			my %now;
			my $rows = $watcher->query(q{SELECT application_name, pid, backend_start FROM pg_stat_activity
				WHERE application_name LIKE 'raft_pg: % -> %'})->{rows};
			foreach my $row (@$rows)
			{
				$now{ $row->[0] }++;
				$attempts{ $row->[0] }{"$row->[1] $row->[2]"} = 1;
			}
			foreach my $peer (keys %now)
			{
				$most{$peer} = $now{$peer} if $now{$peer} > ($most{$peer} // 0);
			}
			sleep 0.03;
		}
		return !grep { keys %{ $attempts{"raft_pg: $_ -> $locked"} // {} } < ROUNDS } @peers;
	});
ok($enough, 'while a lock is held, each peer tries ' . ROUNDS . ' times and more');
foreach my $peer (@peers)
{
	cmp_ok($most{"raft_pg: $peer -> $locked"} // 0, '<=', MOST, "never are there more than @{[MOST]} backends for $peer");
}
is(scalar(grep { ($cluster->value($_, "SELECT link FROM pg_stat_raft_replication WHERE node = '$locked'") // '') eq 'streaming' } @peers),
	0, 'none has a stream meanwhile');

$locker->query('ROLLBACK');
ok($cluster->wait_leader, 'once the lock is gone all three follow one leader');
ok($cluster->on_leader(q{SELECT raft_propose('after the lock'::text)}), 'who takes commands');
ok($cluster->wait_same_state, 'and all hold the same');

done_testing();
