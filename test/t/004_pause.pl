# A server that stands still for ten election timeouts, as a virtual machine may, and
# then goes on as if nothing had happened.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use RaftCluster;
use RaftLoad;
use Test::More;
use Time::HiRes qw(sleep);

my $election_timeout = 0.4;
my $cluster          = RaftCluster->new(
	settings => { 'raft_pg.election_timeout' => $election_timeout * 1000 . 'ms' });
my $leader = $cluster->start;
my $load   = RaftLoad->start($cluster, clients => 3);
my ($follower) = $cluster->others($leader);

ok($load->wait_progress(50), 'commands are acknowledged');

$cluster->pause($follower);
sleep 10 * $election_timeout;
ok($load->wait_progress(50), 'a follower stands still: the others go on');
$cluster->resume($follower);
ok($cluster->wait_leader, 'it goes on and follows');
ok($load->wait_progress(50), 'commands are acknowledged');

$leader = $cluster->wait_leader;
my $term = $cluster->state($leader)->{term};
$cluster->pause($leader);
sleep 10 * $election_timeout;
my $next = $cluster->wait_leader($cluster->others($leader));
ok($next, 'the leader stands still: the others elect another');
ok($load->wait_progress(50), 'who acknowledges commands');
$cluster->resume($leader);
ok($cluster->wait_leader, 'the old leader goes on, and all agree on one');
cmp_ok($cluster->state($leader)->{term}, '>', $term, 'it has learnt the higher term');
ok($load->wait_progress(50), 'commands are acknowledged');

my $history = $load->stop;
ok($cluster->wait_same_state, 'all three hold the same');
RaftLoad::check($cluster, $history);

done_testing();
