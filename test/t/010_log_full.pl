# The log has a capacity.  While a member is away nothing can be compacted: when it is
# full, proposals are refused with a clear error, the leader goes on leading, and
# everything flows again once the member is back.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use RaftCluster;
use Test::More;

my $cluster = RaftCluster->new(
	settings => {
		'raft_pg.log_size'         => '4MB',
		'raft_pg.election_timeout' => '2s'
	});
my $leader = $cluster->start;
my ($away, $other) = $cluster->others($leader);
my $term = $cluster->state($leader)->{term};
my $large = "SELECT raft_propose(convert_to(repeat('0123456789', 20000), 'UTF8'))";

# Many times the capacity while all are there: compaction keeps up.
my $client = $cluster->client($leader);
my $result;
foreach (1 .. 60)
{
	ok($cluster->wait_until('room', sub { $result = $client->query($large); !$result->{error} }), 'room again')
	  if ($result = $client->query($large))->{error};
}
ok(!$result->{error}, 'three times the capacity goes through while all members are there');
ok($cluster->wait_same_state, 'all three hold the same');

ok($cluster->kill9($away), 'a member goes away');
my $accepted = 0;
while ($accepted < 100)
{
	$result = $client->query($large);
	last if $result->{error} || $result->{lost};
	$accepted++;
}
is($result->{error}{C}, '53400', "after $accepted commands the log is full, and the next is refused")
  or diag(explain($result));
like($result->{error}{M}, qr/log/, 'with a message that says why');
ok($result->{error}{H}, 'and a hint');
is($cluster->wait_leader($leader, $other), $leader, 'the leader goes on leading: heartbeats need no room');
is($cluster->state($leader)->{term}, $term, 'in the same term');

$cluster->start_again($away);
ok($cluster->wait_until('room in the log', sub { !$client->query($large)->{error} }),
	'the member is back: proposals are accepted again');
ok($cluster->wait_leader, 'all agree on one leader');
ok($cluster->wait_same_state, 'and hold the same');

done_testing();
