# Whoever holds rows or locks of the extension's tables: the streams go on, a new one is refused
# with the reason and taken once the row is free, and a node starts.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use RaftCluster;
use Test::More;

my $cluster = RaftCluster->new;
my $leader  = $cluster->start;
my ($held, $free) = $cluster->others($leader);

sub holder
{
	my ($name, $what) = @_;
	my $client = $cluster->client($name);
	my $pid = $client->query('SELECT pg_backend_pid()')->{rows}[0][0];
	$client->query('BEGIN');
	is($client->query($what)->{error}, undef, $what);
	return ($client, $pid);
}

sub about
{
	my ($view, $name, $column) = @_;
	return $cluster->value($leader, $view eq 'peers'
		? "SELECT p.$column FROM raft.peers p JOIN raft.members m USING (node_id) WHERE m.node = '$name'"
		: "SELECT $column FROM pg_stat_raft_replication WHERE node = '$name'") // '';
}

sub noted
{
	my ($name, $index) = @_;
	return $cluster->wait_until("index $index to be noted of $name",
		sub { (about('peers', $name, 'acknowledged') || 0) >= $index });
}

# --- streams go on ---

sub connects
{
	return $cluster->value($held, "SELECT connects FROM pg_stat_raft_replication WHERE node = '$leader'");
}
my $connects = connects();
my ($client, $pid) = holder($leader,
	"DELETE FROM raft.peers WHERE node_id = (SELECT node_id FROM raft.members WHERE node = '$held')");
my $index;
foreach my $round (1 .. 2)
{
	$index = $cluster->propose($leader, "while the row is held, $round");
	ok($index && noted($free, $index), "another member's progress is noted, round $round");
}
$index = $cluster->propose($leader, 'read');
ok( $cluster->wait_until('the acknowledgement',
		sub { (about('replication', $held, 'match_index') || 0) >= $index }),
	'the stream of the member whose row is held is still read');
cmp_ok(about('peers', $held, 'acknowledged'), '<', $index, 'nothing is noted of it');
is(connects(), $connects, 'and it is still the same stream');
$client->query('ROLLBACK');
ok(noted($held, $index), 'until the row is free');

# --- a new stream ---

($client, $pid) = holder($leader,
	"DELETE FROM raft.peers WHERE node_id = (SELECT node_id FROM raft.members WHERE node = '$held')");
$cluster->node($held)->restart;
ok( $cluster->wait_until('the refusal',
		sub { about('replication', $held, 'incoming_error')
			  =~ /^table "raft.peers" is locked \(Process $pid holds the row of this node\.\)/ }),
	'a stream that cannot be noted is refused: by what and by whom');
$client->query('ROLLBACK');
ok($cluster->wait_until('the stream', sub { about('replication', $held, 'incoming') eq 't' }),
	'and taken once the row is free');

# --- a start ---

($client) = holder($held, 'CREATE TABLE referring (index bigint REFERENCES raft.failures)');
my ($other) = holder($held, 'REINDEX TABLE raft.peers');
$cluster->node($held)->safe_psql('postgres', 'SELECT raft_stop()');
$cluster->node($held)->safe_psql('postgres', 'SELECT raft_start()');
ok( $cluster->wait_until('the start', sub { ($cluster->state($held)->{state} // '') eq 'running' }),
	'a node starts while others hold locks on its tables');
$_->query('ROLLBACK') foreach $client, $other;
ok($cluster->wait_same_state, 'and the members agree');

done_testing();
