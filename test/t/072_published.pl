# What a node publishes is kilobytes long.  Neither a reader that is stopped while it
# copies nor a writer that is stopped, or dies, while it publishes holds up the other.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use RaftCluster;
use RaftStop;
use Test::More;

my $cluster = RaftCluster->new;
my $leader  = $cluster->start;
my $stop    = RaftStop->new($cluster, $leader);
my $term    = $cluster->state($leader)->{term};

# A reader
my $reader = $cluster->client($leader);
my $pid    = $reader->value('SELECT pg_backend_pid()');
my $index;

$stop->set('reading', "wait $pid");
$reader->send_query('SELECT commit_index, last_index FROM pg_stat_raft');
is($stop->wait_reached('reading'), $pid, 'a reader is stopped in the middle');
$index = $cluster->value($leader, "SELECT raft_propose('$_'::text)") foreach 1 .. 20;
is($cluster->state($leader)->{term}, $term, 'its node goes on leading');
$stop->clear('reading');
my $row = $reader->answer->{rows}[0];
cmp_ok($row->[0], '>=', $index, 'what was overwritten while it was read is read again');
cmp_ok($row->[1], '>=', $row->[0], 'its figures belong together');

# A writer
my $node = q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'raft_pg node'};
$pid = $cluster->value($leader, $node);

$stop->set('publishing', "wait $pid");
is($stop->wait_reached('publishing'), $pid, 'a node worker is stopped in the middle');
$row = $reader->query('SELECT commit_index, last_index FROM pg_stat_raft')->{rows}[0];
cmp_ok($row->[0], '>=', $index, 'readers get the last version that is whole');
is($reader->value('SELECT count(*) FROM raft.members'), 3, 'and the members');
$stop->clear('publishing');
$cluster->wait_leader;
ok($cluster->on_leader(q{SELECT raft_propose('behind the writer'::text)}), 'the group goes on');

# A node worker that ends there: the server starts anew, and nothing of it is left.
$pid = $cluster->value($leader, $node);
$stop->set('publishing', "crash $pid");
$stop->wait_reached('publishing');
$stop->clear('publishing');
$cluster->wait_until('the crashed node', sub { ($cluster->state($leader)->{state} // '') eq 'running' });
ok($cluster->wait_same_state, 'all nodes hold the same after a crash there');

done_testing();
