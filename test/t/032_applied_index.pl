# The applied index never goes back: an applier that is started anew goes on at what is stored,
# which may be behind what it has shown before.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use RaftCluster;
use RaftStop;
use Test::More;

my $cluster = RaftCluster->new(nodes => ['a']);
$cluster->start;
my $stop = RaftStop->new($cluster, 'a');
my ($shown, $stored);

sub figures
{
	return map { $cluster->value('a', "SELECT $_ FROM pg_stat_raft") } qw(applied_index durable_applied_index);
}

# Without a function nothing has to be stored at once: within a second the applier is ahead
# of raft.applied.
ok($cluster->on_leader('SELECT raft_set_apply(NULL)'), 'nothing is applied by a function');
ok( $cluster->wait_until(
		'an applier ahead of what is stored',
		sub {
			$cluster->value('a', q{DO $$ BEGIN FOR i IN 1..2000 LOOP PERFORM raft_propose('a command'::text); END LOOP; END $$});
			my $pid = $cluster->value('a', q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'raft_pg applier'});
			$stop->set('applied', 'wait');
			kill 'TERM', $pid;
			$cluster->value('a', 'SELECT raft_propose_async($$one more$$::text)');
			$stored = $cluster->value('a', 'SELECT applied_index FROM raft.applied');
			$shown  = $cluster->value('a', 'SELECT applied_index FROM raft_state()');
			my $holder = $stop->wait_reached('applied');
			return 1 if $holder != $pid && $stored + 600 < $shown;
			$stop->clear('applied');
			return 0;
		}),
	'the applier ends while it is ahead of what is stored');

# The new one is held when it has published its first batch.
cmp_ok((figures())[0], '>=', $shown, 'its successor does not show less');
$stop->clear('applied');
ok($cluster->wait_until('the last command', sub { my ($applied, $durable) = figures(); $durable > $shown }),
	'and goes on');

done_testing();
