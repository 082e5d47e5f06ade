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

# Without a function nothing has to be stored at once.  The applier is ahead of raft.applied
# then, for up to a second; here, for as long as the test wants.
ok($cluster->on_leader('SELECT raft_set_apply(NULL)'), 'nothing is applied by a function');
$stop->set('store_late', 'mutant');
my $pid = $cluster->value('a', q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'raft_pg applier'});
$cluster->client('a', timeout => 90)->value(q{DO $$ BEGIN FOR i IN 1..2000 LOOP PERFORM raft_propose('a command'::text); END LOOP; END $$});
$stop->set('applied', 'wait');
kill 'TERM', $pid;
ok( $cluster->wait_until('the end of the applier',
		sub { ($cluster->value('a', q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'raft_pg applier'}) // $pid) != $pid }),
	'the applier is started anew');
$shown  = $cluster->value('a', 'SELECT applied_index FROM raft_state()');
$stored = $cluster->value('a', 'SELECT applied_index FROM raft.applied');
cmp_ok($stored + 600, '<', $shown, 'it has to go on far behind what was shown');
ok($stop->wait_reached('applied'), 'and does so');

# The new one is held when it has published its first batch.
cmp_ok((figures())[0], '>=', $shown, 'its successor does not show less');
$stop->clear('applied', 'store_late');
ok($cluster->propose('a', 'one more'), 'and goes on');
ok($cluster->wait_until('the last command', sub { my ($applied, $durable) = figures(); $durable >= $shown }),
	'and stores');

done_testing();
