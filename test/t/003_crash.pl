# kill -9 under load: of the leader, of a follower, of all three.  Afterwards every
# acknowledged command is there once, on every server, at the index it was promised.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use RaftCluster;
use RaftLoad;
use Test::More;

my $cluster = RaftCluster->new;
my $leader  = $cluster->start;
my $load    = RaftLoad->start($cluster, clients => 4);

ok($load->wait_progress(100), 'commands are acknowledged');

foreach my $round (1 .. 2)
{
	$leader = $cluster->wait_leader;
	ok($cluster->kill9($leader), "round $round: the leader dies, and its processes with it");
	ok($load->wait_progress(50), 'the other two go on');
	$cluster->start_again($leader);
	ok($cluster->wait_leader, 'it rejoins');

	my ($follower) = $cluster->others($cluster->wait_leader);
	ok($cluster->kill9($follower), "round $round: a follower dies");
	ok($load->wait_progress(50), 'the other two go on');
	$cluster->start_again($follower);
	ok($load->wait_progress(50), 'and all three after its return');

	ok($cluster->kill9($cluster->names), "round $round: all three die");
	$cluster->start_again($cluster->names);
	ok($load->wait_progress(50), 'they come back and go on');
}

my $history = $load->stop;
ok($cluster->wait_same_state, 'all three hold the same');
RaftLoad::check($cluster, $history);
RaftLoad::check_the_check($cluster, 'a', $history);

done_testing();
