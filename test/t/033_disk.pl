# A disk that stands still for a while: the leader keeps its leadership and goes on with
# heartbeats, a follower goes on answering, and nobody acknowledges what is not on disk.
# After raft_pg.disk_timeout another node leads.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use RaftCluster;
use RaftDisk;
use Test::More;

my $cluster = RaftCluster->new(
	settings => { 'raft_pg.election_timeout' => '1s', 'raft_pg.heartbeat_interval' => '50ms',
		'raft_pg.disk_timeout' => '10min' });
my $disk = RaftDisk->new($cluster);

$disk->start_servers;
$cluster->create_state;
$cluster->start_groups;
my $leader = $cluster->wait_leader;
$cluster->set_apply;
my ($follower, $other) = $cluster->others($leader);
my $term = $cluster->state($leader)->{term};
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
	$disk->stop($leader);
	$client->send_query("SELECT raft_propose('slow disk $round'::text)");
	ok($disk->wait_stuck($leader), "round $round: the leader's disk stands still");
	ok(wait_heartbeats($leader), 'heartbeats go out, and answers come in');
	is($cluster->value($leader, "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%slow disk%' AND pid <> pg_backend_pid() AND state = 'active'"),
		1, 'nothing is acknowledged');
	is($cluster->state($leader)->{role}, 'leader', 'the leader leads on');
	$disk->go_on($leader);
	ok(!$client->answer->{error}, 'then the command is applied');
}
is($cluster->state($leader)->{term}, $term, 'all in one term');

# What is queued behind a stuck write has not been appended: its timeout says so.
$disk->stop($leader);
$client->send_query("SELECT raft_propose('first'::text)");
$disk->wait_stuck($leader);
my $queued = $cluster->client($leader);
is($queued->query("SELECT raft_propose('second'::text, '100 ms')")->{error}{C}, '57P03',
	'what comes meanwhile can still be withdrawn');
$disk->go_on($leader);
ok(!$client->answer->{error}, 'the first is applied');

# --- a follower's disk ---

$disk->stop($follower);
my $index = $cluster->propose($leader, 'without this follower');
ok($index, "a follower's disk stands still: the others go on");
ok($disk->wait_stuck($follower), 'while it waits for its disk');
ok(wait_heartbeats($leader), 'it answers heartbeats');
cmp_ok($cluster->state($follower)->{applied_index}, '<', $index, 'but applies nothing that is not on its disk');
is( $cluster->value($leader, "SELECT match_index < $index FROM pg_stat_raft_replication WHERE node = '$follower'"),
	't', 'nor does it acknowledge it');
$disk->go_on($follower);
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

# --- a disk that is stuck for good ---

$cluster->node($_)->safe_psql('postgres', q{ALTER SYSTEM SET raft_pg.disk_timeout = '500ms'}) foreach $cluster->names;
$cluster->node($_)->safe_psql('postgres', 'SELECT pg_reload_conf()') foreach $cluster->names;
$cluster->wait_until('the setting', sub { $cluster->value($leader, 'SHOW raft_pg.disk_timeout') eq '500ms' });
$disk->stop($leader);
$client->send_query("SELECT raft_propose('on a stuck disk'::text)");
my $next = $cluster->wait_leader($follower, $other);
ok($next && $next ne $leader, 'a disk that is stuck for longer than raft_pg.disk_timeout: another node leads');
ok($cluster->propose($next, 'with the new leader'), 'and takes commands');
isnt($cluster->state($leader)->{role}, 'leader', 'the old leader has given up');
$disk->go_on($leader);
my $answer = $client->answer;
like($answer->{error}{C} // 'none', qr/^(?:none|08007|40001)$/, 'its proposer learns what is true');
ok($cluster->wait_same_state, 'with its disk back it follows');
is($cluster->value($next, q{SELECT count(*) FROM commands WHERE command = 'on a stuck disk'}) > 0 ? 'none' : '40001',
	$answer->{error}{C} // 'none', 'as the state shows') if ($answer->{error}{C} // '') ne '08007';

done_testing();
