# A node's identity belongs to one server.  A copy of its data directory, started as a
# second server, must not speak in its name.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use RaftCluster;
use Test::More;

# Patient: a slow machine must not look like a lost leader.
my $cluster = RaftCluster->new(settings => { 'raft_pg.election_timeout' => '2s' });
my $leader  = $cluster->start;
my ($copied) = $cluster->others($leader);
my $node = $cluster->node($copied);

$cluster->propose($leader, "before $_") foreach 1 .. 5;
ok($cluster->wait_same_state, 'all three hold the same');

# A file copy of a node, as a restored backup is.
$node->stop;
$node->backup_fs_cold('copy');
$node->start;
ok($cluster->wait_leader, 'the original goes on');

sub clone
{
	my ($name, $standby) = @_;
	my $clone = PostgreSQL::Test::Cluster->new($name);

	$clone->init_from_backup($node, 'copy');
	$clone->set_standby_mode if $standby;
	$clone->start;
	return $clone;
}

sub state_of
{
	my ($clone, $column) = @_;
	my $client = RaftClient->connect($clone) or return '';
	return $client->query("SELECT $column FROM raft_state()")->{rows}[0][0] // '';
}

# --- promoted: the timeline tells ---

my $promoted = clone('promoted', 1);
is($promoted->safe_psql('postgres', "SELECT count(*) FROM pg_stat_activity WHERE backend_type ~ 'raft_pg (node|applier)'"),
	0, 'a standby runs no workers');
$promoted->promote;
ok($cluster->wait_until('the promoted clone to be refused', sub { state_of($promoted, 'state') eq 'failed' }),
	'a promoted clone does not start under the old identity');
like(state_of($promoted, 'error'), qr/timeline|identity|another server/i, 'and says why');
$promoted->stop;

# --- restored: its boot count is stale ---

$node->restart;
ok($cluster->wait_leader, 'the original has started once more than the copy knows');
$leader = $cluster->wait_leader;
my $term = $cluster->state($leader)->{term};
my $restored = clone('restored');
ok( $cluster->wait_until(
		'the refusal of the copy',
		sub {
			my $client = RaftClient->connect($restored) or return 0;
			return ($client->query('SELECT 1 FROM pg_stat_raft_replication WHERE link = $$waiting$$ AND last_error ~ $$stale stream$$')
				  ->{rows}[1] // 0);
		}),
	'its peers refuse a copy that has started less often than the original');
is(state_of($restored, 'has_quorum'), 'f', 'the copy has no quorum');
is($cluster->wait_leader, $leader, 'the group keeps its leader');
is($cluster->state($leader)->{term}, $term, 'and its term');
ok($cluster->propose($leader, 'with the original'), 'and takes commands');
ok($cluster->wait_same_state, 'on all three');
$restored->stop;

done_testing();
