# A group is formed by all of its members: until their logs stand in the configuration, nobody
# leads while one is away, and a member may be created anew.  From then on two of three
# are enough, and one that has lost its log is refused, also by a member that never met it.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use RaftCluster;
use Test::More;

my $cluster = RaftCluster->new(proxy => 1);

sub link_of
{
	my ($name, $peer, $column) = @_;
	return $cluster->value($name, "SELECT $column FROM pg_stat_raft_replication WHERE node = '$peer'") // '';
}

sub never_led
{
	my ($when, @names) = @_;
	is($cluster->value($_, 'SELECT leaderships FROM pg_stat_raft'), 0, "$_ never led, $when") foreach @names;
	return;
}

# --- one is away ---

# What c dials at b never arrives: b does not meet it.
$cluster->proxy->command('cut', 'c', 'b');
$cluster->start_servers;
$cluster->create_state;
$cluster->start_groups(qw(a b));
foreach my $name (qw(a b))
{
	ok( $cluster->wait_until(
			"what $name waits for",
			sub { ($cluster->state($name)->{error} // '') =~
				/^the group is being formed: node "c" refuses this node: Raft is not running in this database/ }),
		"two of three have met: $name says that the group is being formed, and who is awaited");
}
my $refused = $cluster->client('a')->query(q{SELECT raft_propose('too early'::text, '3s')});
is($refused->{error}{C}, '57P03', 'nobody takes a command');
like($refused->{error}{D}, qr/was not appended\.  The group is being formed: node "c" /, 'the error says why');
like($refused->{error}{H}, qr/All members have to be running and reachable once/, 'and what to do');
never_led('without the third', qw(a b));

# --- one is created anew ---

is($cluster->value('a', 'SELECT count(*) FROM raft.peers'), 1, 'a has met b');
my $met = $cluster->value('a', 'SELECT log_id FROM raft.peers');
$cluster->node('b')->safe_psql('postgres', "$_ EXTENSION raft_pg") foreach qw(DROP CREATE);
$cluster->start_groups('b');
ok( $cluster->wait_until('a to take b', sub { ($cluster->value('a', 'SELECT log_id FROM raft.peers') // $met) ne $met }),
	'b is created anew, before it held anything: a takes its new log for its log');

# --- all have met ---

$cluster->start_groups('c');
my $leader = $cluster->wait_leader;
ok($leader, 'with the third a leader is elected');
isnt($leader, 'b', 'it is one that can hear all');
$cluster->set_apply;
ok($cluster->wait_same_state, 'and the group takes commands');
is($cluster->state($_)->{error}, undef, "$_ has no trouble") foreach $cluster->names;
is($cluster->value('b', "SELECT count(*) FROM raft.peers p JOIN raft.members m USING (node_id) WHERE m.node = 'c'"), 0,
	'b has not met c');
is($cluster->value('a', q{SELECT string_agg(kind, ' ' ORDER BY index) FROM raft.log WHERE kind <> 'no-op'}),
	'configuration configuration set-apply', 'the logs were named once, before the first command');

$cluster->node('c')->stop;
ok($cluster->wait_leader(qw(a b)), 'now two of three elect a leader');
ok($cluster->on_leader(q{SELECT raft_propose('acknowledged'::text)}, qw(a b)), 'and take commands');
$cluster->node('a')->stop;

# --- one has lost its log ---

$cluster->node('c')->start;
$cluster->node('c')->safe_psql('postgres', "$_ EXTENSION raft_pg") foreach qw(DROP CREATE);
$cluster->start_groups('c');
$cluster->proxy->heal_all;
ok( $cluster->wait_until('b to refuse c', sub { link_of('c', 'b', 'last_error') =~ /Raft node "c" comes with another log than before/ }),
	'a member that never met c refuses it once it comes with another log');
like(link_of('b', 'c', 'incoming_error'), qr/agreed on the log that this node votes with/, 'since the members have agreed on its log');
is($cluster->value('b', 'SELECT count(*) FROM raft.peers'), 1, 'it does not note the new one');
never_led('with an empty log', 'c');

$cluster->node('a')->start;
ok($cluster->wait_leader(qw(a b)), 'the two that have their logs elect a leader');
ok($cluster->wait_same_state(qw(a b)), 'and hold the same');
is($cluster->value('b', q{SELECT count(*) FROM commands WHERE command = 'acknowledged'}), 1, 'with what was acknowledged');

done_testing();
