# What a node says of itself has an age.  While its node worker, or its whole server, stands
# still, the others elect another leader; from then on only that one answers true to
# raft_is_leader(), whatever the stopped one has published before.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use RaftCluster;
use Test::More;

my $cluster = RaftCluster->new;
my $leader  = $cluster->start;

my $standing = q{SELECT concat_ws(' ', raft_is_leader(), has_quorum, coalesce(raft_leader(), 'none'),
	coalesce(leader, 'none'), (SELECT bool_or(is_leader) FROM raft.members)) FROM raft_state()};

sub worker
{
	my ($name) = @_;
	return $cluster->value($name, q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'raft_pg node'});
}

# Waits until one of these leads in a higher term; nothing is asked of the others.
sub wait_successor
{
	my ($term, @names) = @_;
	return $cluster->wait_until(
		"a successor among @names",
		sub {
			foreach my $name (@names)
			{
				return $name
				  if ($cluster->value($name, "SELECT raft_is_leader() AND (SELECT term FROM raft_state()) > $term") // '') eq 't';
			}
			return 0;
		});
}

# --- the leader's node worker alone ---

my $term   = $cluster->state($leader)->{term};
my $worker = worker($leader);
my $client = $cluster->client($leader);
is($client->value($standing), "t t $leader $leader t", 'the leader says that it leads');

kill 'STOP', $worker;
my $successor = wait_successor($term, $cluster->others($leader));
is($client->value($standing), 'f f none none f', 'its node worker stands still: once another leads, it does not say so any more');
ok( $cluster->wait_until('the state "stale"', sub { $client->value('SELECT state FROM raft_state()') eq 'stale' }),
	'its state says that the figures are old');
is($client->value('SELECT state FROM pg_stat_raft'), 'stale', 'in both places');
is($client->value('SELECT role FROM raft_state()'), 'leader', 'and the role is the last one that was known');
is($cluster->value($successor, 'SELECT raft_is_leader()'), 't', 'the successor leads on');
kill 'CONT', $worker;
ok($cluster->wait_leader, 'it goes on: all follow one leader');
is($client->value('SELECT state FROM raft_state()'), 'running', 'and its figures are new');

# --- a follower's ---

$leader = $cluster->wait_leader;
my ($follower) = $cluster->others($leader);
$worker = worker($follower);
$client = $cluster->client($follower);
kill 'STOP', $worker;
ok( $cluster->wait_until('the follower to know no leader',
		sub { $client->value('SELECT raft_leader() IS NULL AND NOT has_quorum FROM raft_state()') eq 't' }),
	'a follower whose worker stands still knows no leader after a while');
kill 'CONT', $worker;
ok($cluster->wait_leader, 'it goes on: all follow one leader');

# --- the whole server: its sessions wake up first ---

$leader = $cluster->wait_leader;
$term   = $cluster->state($leader)->{term};
$worker = worker($leader);
$client = $cluster->client($leader);
$client->value($standing);
$cluster->pause($leader);
$successor = wait_successor($term, $cluster->others($leader));
ok($successor, 'a server stands still: another leads');
$client->send_query($standing);
kill 'CONT', grep { $_ != $worker } @{ $cluster->{paused}{$leader} };
is($client->answer->{rows}[0][0], 'f f none none f', 'a session that wakes up before the node worker does not call it the leader');
$cluster->resume($leader);
ok($cluster->wait_leader, 'all follow one leader');

done_testing();
