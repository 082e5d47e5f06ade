# An error of the applier that follows its commit hides what was applied.  The next
# leader's no-op must not tell the proposer that its command will never be applied.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use RaftCluster;
use RaftStop;
use Test::More;

my $cluster = RaftCluster->new;
my $leader  = $cluster->start;
my @others  = $cluster->others($leader);
my $stop    = RaftStop->new($cluster, $leader);
my $term    = $cluster->state($leader)->{term};
my $client  = $cluster->client($leader);

$stop->set('committed', 'error');
$client->send_query(q{SELECT raft_propose('unseen'::text, '0')});
$stop->wait_reached('committed');

# Another term begins while the applier fails again and again.
$cluster->pause($_) foreach @others;
$cluster->wait_until('the end of the leadership', sub { ($cluster->state($leader)->{role} // 'leader') ne 'leader' });
$cluster->resume($_) foreach @others;
$cluster->wait_leader;
cmp_ok($cluster->state($leader)->{term}, '>', $term, 'there is a new term');
$cluster->on_leader(q{SELECT raft_propose_async('behind'::text)});

$stop->clear('committed');
my $answer = $client->answer;
is($answer->{error}{C}, '08007', 'the proposer of a command that was applied is not told to try again') or diag(explain($answer));
ok($cluster->wait_same_state, 'all nodes hold the same');
is($cluster->value($leader, q{SELECT count(*) FROM commands WHERE command = 'unseen'}), 1, 'the command is applied once');

done_testing();
