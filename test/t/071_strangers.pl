# The first leader dies before it has named the members' logs: the next one does it.  Who sends to a
# node is known by the group: one that its configuration does not name (it may be the older
# one) is heard, the core judges what it says, and it takes nothing from a member.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use RaftCluster;
use RaftFrame;
use RaftStop;
use Test::More;

# Patient: a slow machine must not look like a lost leader.
my $cluster = RaftCluster->new(settings => { 'raft_pg.election_timeout' => '1s' });
my %stop;

sub configurations
{
	my ($name) = @_;
	return $cluster->value($name, q{SELECT count(*) FROM raft.log WHERE kind = 'configuration'});
}

# --- the logs are named by the next leader ---

$cluster->start_servers;
$cluster->create_state;
foreach my $name ($cluster->names)
{
	$stop{$name} = RaftStop->new($cluster, $name);
	$stop{$name}->set('name_logs', 'wait');
}
$cluster->start_groups;
my $first;
ok( $cluster->wait_until('a leader about to name the logs',
		sub { ($first) = grep { -s "$stop{$_}{directory}/name_logs.reached" } $cluster->names; $first }),
	'the first leader is about to name the logs');
is(configurations($_), 1, "$_ does not know them yet") foreach $cluster->names;
# A process at a stop point does not look whether its postmaster lives.
my $postmaster = $cluster->node($first)->{_pid};
my $held = $stop{$first}->wait_reached('name_logs');
my @processes = ($postmaster, RaftCluster::children_of($postmaster));
kill 'KILL', $postmaster, $held;
ok($cluster->wait_until('its end', sub { !grep { RaftCluster::alive($_) } @processes }), 'it is killed');
ok($cluster->kill9($first), 'with its server');
$stop{$_}->clear('name_logs') foreach $cluster->names;
my @others = $cluster->others($first);
ok( $cluster->wait_until('the others to tell', sub { 2 == grep { ($cluster->state($_)->{error} // '') =~ /being formed: node "$first" / } @others }),
	'the others wait for it');
$cluster->start_again($first);
ok($cluster->wait_leader, 'it is back: a leader is elected');
ok($cluster->set_apply, 'and takes commands');
ok($cluster->wait_same_state, 'all hold the same');
is(configurations($_), 2, "$_ knows the logs") foreach $cluster->names;
ok($cluster->kill9($first), 'the first one is killed again');
my $leader = $cluster->wait_leader(@others);
ok($leader, 'and now the others go on');
$cluster->start_again($first);
ok($cluster->wait_leader, 'all are there');

# --- a node that the configuration does not name ---

$leader = $cluster->wait_leader;
my ($victim) = $cluster->others($leader);
my $group = $cluster->value($leader, 'SELECT group_id FROM pg_stat_raft');
my ($leader_id, $victim_id) = map { $cluster->value($victim, "SELECT node_id FROM raft.members WHERE node = '$_'") } $leader, $victim;

sub open_stream
{
	my (%change) = @_;
	my $client = $cluster->client($victim, application_name => 'raft_pg: test', timeout => 30);
	my %call = (group => $group, id => 77, name => 'newcomer', %change);

	$client->send_query("CALL raft.stream(1, '$call{group}', $call{id}, '$call{name}', 4711, 1, 815, '{}', 1000, 1000,"
		  . qq{'encoding UTF8, locale provider "c", collate "c", ctype "c"', '$victim')});
	my ($type, $body) = $client->receive;
	return ($type // '') eq 'W' ? $client : RaftClient::parse_error($body);
}

# The streams that the victim's members have into it.
sub member_streams
{
	return $cluster->value($victim, q{SELECT string_agg(pid::text, ' ' ORDER BY pid) FROM pg_stat_activity
		WHERE application_name LIKE 'raft_pg: % -> %'}) // '';
}

my @refused = (
	[ 'of another group', { group => '00000000-0000-0000-0000-000000000001' }, '55000' ],
	[ "with a member's number", { id => $leader_id }, '42501' ],
	[ "with a member's name", { name => $leader }, '42501' ],
	[ 'without a number', { id => 0 }, '22003' ]);
is(open_stream(%{ $_->[1] })->{C}, $_->[2], "a stranger $_->[0] is refused") foreach @refused;

ok($cluster->wait_until('the streams', sub { member_streams() =~ /^\d+ \d+$/ }), 'both members send to the node');
my $streams = member_streams();
my @strangers = map { open_stream(id => $_, name => "node $_") } 100 .. 140;
ok((grep { ref $_ eq 'RaftClient' } @strangers) > 0, 'strangers are let in');
ok((grep { ref $_ eq 'HASH' && $_->{C} eq '53400' } @strangers) > 0, 'not more at once than there is room for');
is(member_streams(), $streams, 'however many come, the members keep their streams');
is($cluster->value($victim, 'SELECT count(*) FROM pg_stat_raft_replication WHERE incoming'), 2, 'and their places');
is($cluster->value($victim, 'SELECT count(*) FROM raft.peers'), 2, 'nothing is noted of strangers');
$_->close foreach grep { ref $_ eq 'RaftClient' } @strangers;

# A leader that this node does not know, in a term of its own.
my $newcomer;
ok($cluster->wait_until('room', sub { $newcomer = open_stream(); ref $newcomer eq 'RaftClient' }),
	'a node that is not named may open a stream');
my $term = $cluster->state($victim)->{term} + 5;
my $frame = RaftFrame::frame(group => $group, from => 77, to => $victim_id, boot => 1, term => $term, type => RaftFrame::APPEND, round => 1);
$newcomer->send_raw('d' . pack('N', 4 + length $frame) . $frame);
ok($cluster->wait_until('its term', sub { ($cluster->state($victim)->{term} // 0) >= $term }), 'the core hears it');
$newcomer->close;
ok($cluster->wait_leader, 'and the members go on');
ok($cluster->on_leader(q{SELECT raft_propose('after that'::text)}), 'with commands');
ok($cluster->wait_same_state, 'and hold the same');

done_testing();
