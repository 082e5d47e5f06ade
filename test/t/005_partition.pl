# The network between the servers is cut.  A leader in the minority acknowledges
# nothing, the majority elects another, and after the healing all hold the same.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use RaftCluster;
use RaftLoad;
use Test::More;

my $cluster = RaftCluster->new(proxy => 1);
my $leader  = $cluster->start;
my $load    = RaftLoad->start($cluster, clients => 3);
my $proxy   = $cluster->proxy;

ok($load->wait_progress(50), 'commands are acknowledged through the network');

# "cut" swallows packets and "reset" breaks the connections: both are a partition.  The
# first proposer gives up while it lasts, the second waits for the end.
foreach my $kind (qw(cut reset))
{
	$leader = $cluster->wait_leader;
	my $term     = $cluster->state($leader)->{term};
	my @majority = $cluster->others($leader);
	my $alone    = $cluster->client($leader, timeout => 60);

	$proxy->$kind([$leader], \@majority);
	$alone->query(q{SET raft_pg.propose_timeout = '2s'}) if $kind eq 'cut';
	$alone->send_query("SELECT raft_propose('alone $kind'::text)");

	my $next = $cluster->wait_leader(@majority);
	ok($next, "$kind: the majority elects another");
	cmp_ok($cluster->state($next)->{term}, '>', $term, 'in a higher term');
	ok($cluster->propose($next, "majority $kind"), 'who acknowledges');
	ok( $cluster->wait_until(
			'the minority leader to step down',
			sub { ($cluster->state($leader)->{role} // 'leader') ne 'leader' }),
		'the old leader steps down');
	ok($load->wait_progress(50), 'commands are acknowledged');

	if ($kind eq 'cut')
	{
		is($alone->answer->{error}{C}, '08007', 'a proposer in the minority is told that the outcome is unknown');
	}
	$proxy->heal_all;
	if ($kind eq 'reset')
	{
		is($alone->answer->{error}{C}, '40001', 'a proposer in the minority is told that another entry took its place');
	}
	ok($cluster->wait_leader, 'after the healing all agree on one leader');
	ok($load->wait_progress(50), 'commands are acknowledged');
	foreach my $name ($cluster->names)
	{
		is($cluster->value($name, "SELECT count(*) FROM commands WHERE command = 'alone $kind'"),
			0, "$name never applies what the minority took");
	}
}

# One direction of one link: the leader is heard by one follower only.
$leader = $cluster->wait_leader;
my ($deaf, $other) = $cluster->others($leader);
$proxy->command('cut', $leader, $deaf);
ok($load->wait_progress(50), 'a follower that cannot hear the leader does not stop the others');
$proxy->heal_all;
ok($cluster->wait_leader, 'it is heard again');

# Every node alone: nobody may lead.
$proxy->reset([$leader], [ $deaf, $other ]);
$proxy->reset([$deaf], [$other]);
ok( $cluster->wait_until(
		'nobody to lead',
		sub {
			!grep { ($cluster->state($_)->{role} // 'leader') eq 'leader' } $cluster->names;
		}),
	'with every link cut nobody leads');
$proxy->heal_all;
ok($cluster->wait_leader, 'and one does after the healing');
ok($load->wait_progress(50), 'commands are acknowledged');

my $history = $load->stop;
ok($cluster->wait_same_state, 'all three hold the same');
RaftLoad::check($cluster, $history);

done_testing();
