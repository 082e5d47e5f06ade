# A disk that stands still for a while: the leader keeps its leadership and goes on with
# heartbeats, a follower goes on answering, and nobody acknowledges what is not on disk.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use RaftCluster;
use RaftStop;
use Test::More;

my $cluster = RaftCluster->new(
	settings => { 'raft_pg.election_timeout' => '1s', 'raft_pg.heartbeat_interval' => '50ms' });
my $leader = $cluster->start;
my ($follower, $other) = $cluster->others($leader);
my $term = $cluster->state($leader)->{term};
my %stop = map { $_ => RaftStop->new($cluster, $_) } $cluster->names;
my $client = $cluster->client($leader);

# Messages that this node has got from its peers: each answers a message of the leader.
sub messages
{
	my ($name) = @_;
	return $cluster->value($name, 'SELECT messages_received FROM pg_stat_raft');
}

# As many messages as come in three election timeouts.
sub wait_heartbeats
{
	my ($name) = @_;
	my $begin = messages($name);
	return $cluster->wait_until("heartbeats at $name", sub { messages($name) >= $begin + 120 });
}

# --- the leader's disk ---

foreach my $round (1 .. 3)
{
	$stop{$leader}->set('flush', 'wait');
	$client->send_query("SELECT raft_propose('slow disk $round'::text)");
	ok($stop{$leader}->wait_reached('flush'), "round $round: the leader's disk stands still");
	ok(wait_heartbeats($leader), 'heartbeats go out, and answers come in');
	is($cluster->value($leader, "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%slow disk%' AND pid <> pg_backend_pid() AND state = 'active'"),
		1, 'nothing is acknowledged');
	is($cluster->state($leader)->{role}, 'leader', 'the leader leads on');
	$stop{$leader}->clear('flush');
	ok(!$client->answer->{error}, 'then the command is applied');
}
is($cluster->state($leader)->{term}, $term, 'all in one term');

# What is queued behind a stuck write has not been appended: its timeout says so.
$stop{$leader}->set('flush', 'wait');
$client->send_query("SELECT raft_propose('first'::text)");
$stop{$leader}->wait_reached('flush');
my $queued = $cluster->client($leader);
is($queued->query("SELECT raft_propose('second'::text, '100 ms')")->{error}{C}, '57P03',
	'what comes meanwhile can still be withdrawn');
$stop{$leader}->clear('flush');
ok(!$client->answer->{error}, 'the first is applied');

# --- a follower's disk ---

$stop{$follower}->set('flush', 'wait');
my $index = $cluster->propose($leader, 'without this follower');
ok($index, "a follower's disk stands still: the others go on");
ok($stop{$follower}->wait_reached('flush'), 'while it waits for its disk');
ok(wait_heartbeats($leader), 'it answers heartbeats');
cmp_ok($cluster->state($follower)->{applied_index}, '<', $index, 'but applies nothing that is not on its disk');
is( $cluster->value($leader, "SELECT match_index < $index FROM pg_stat_raft_replication WHERE node = '$follower'"),
	't', 'nor does it acknowledge it');
$stop{$follower}->clear('flush');
ok($cluster->wait_same_state, 'then it catches up');

# --- the process that waits for the disk ---

sub flusher_of
{
	my ($name) = @_;
	foreach my $pid (RaftCluster::children_of($cluster->node($name)->{_pid}))
	{
		open my $title, '<', "/proc/$pid/cmdline" or next;
		return $pid if (<$title> // '') =~ /raft_pg flusher/;
	}
	return 0;
}

my $flusher = flusher_of($leader);
ok($flusher, 'the flusher is a process of its own');
kill 'TERM', $flusher;
ok($cluster->wait_until('another flusher', sub { my $pid = flusher_of($leader); $pid && $pid != $flusher }),
	'terminated, it comes again');
ok($cluster->on_leader(q{SELECT raft_propose('with the new one'::text)}), 'and the group goes on');
is($cluster->state($leader)->{term}, $term, 'all of it in one term');
ok($cluster->wait_same_state, 'all three hold the same');

done_testing();
