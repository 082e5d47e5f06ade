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
like(state_of($promoted, 'error'), qr/this copy of the Raft log was made by another server: .* timeline 1; .* timeline 2/, 'and says why');
$promoted->stop;

# --- restored: it is another file ---

$node->restart;
ok($leader = $cluster->wait_leader, 'the original has started once more than the copy knows');
my $term = $cluster->state($leader)->{term};
my $restored = clone('restored');
ok($cluster->wait_until('the restored clone to be refused', sub { state_of($restored, 'state') eq 'failed' }),
	'a restored clone does not start under the old identity, while the original runs');
like(state_of($restored, 'error'), qr/copied or restored from a backup/, 'and says why');
is($cluster->wait_leader, $leader, 'the group keeps its leader');
is($cluster->state($leader)->{term}, $term, 'and its term');
ok($cluster->propose($leader, 'with the original'), 'and takes commands');
ok($cluster->wait_same_state, 'on all three');

# --- two that speak for one node, and the loss of the other one that has acknowledged ---

my ($partner) = $leader eq $copied ? $cluster->others($copied) : $leader;
my ($away) = $cluster->others($copied, $partner);

# Does the clone that is vouched for meet this member's refusal?
sub refused_by
{
	my ($peer) = @_;
	my $client = RaftClient->connect($restored) or return 0;
	my $error = $client->query("SELECT last_error FROM pg_stat_raft_replication WHERE node = '$peer'")->{rows}[0][0] // '';
	return $error =~ /comes in an older state than before/;
}

$restored->safe_psql('postgres', 'SELECT raft_reset_identity()');
$restored->safe_psql('postgres', 'SELECT raft_start()');
ok($cluster->wait_until("$partner to refuse it", sub { refused_by($partner) }), 'the clone, vouched for, speaks beside the original, in vain');
$cluster->node($away)->stop;
ok($cluster->wait_leader($copied, $partner), 'the original and one more are left');
ok($cluster->on_leader("SELECT raft_propose('acknowledged by two $_'::text)", $copied, $partner), 'a command is acknowledged') foreach 1 .. 3;
ok($cluster->wait_same_state($copied, $partner), 'by both');
my $before = $cluster->digest($copied);
ok($cluster->kill9($partner), 'the other one that has acknowledged dies');
$cluster->start_again($away);
ok($cluster->wait_until("$away to refuse the clone", sub { refused_by($away) }), 'the member that knows less does not listen to the clone');
ok($cluster->wait_leader($copied, $away), 'but elects a leader with the original');
ok($cluster->wait_same_state($copied, $away), 'and they hold the same');
is($cluster->digest($away), $before, 'nothing acknowledged is lost');
is(state_of($restored, 'has_quorum'), 'f', 'the clone has no quorum');
isnt(state_of($restored, 'role'), 'leader', 'and leads nobody');
$cluster->start_again($partner);
ok($cluster->wait_leader, 'the dead one returns');
ok($cluster->wait_same_state, 'and all three hold the same');
$restored->stop;

# --- another database of the same server ---

$node->stop;
$node->start;
ok($cluster->wait_leader, 'the original goes on');
$node->safe_psql('postgres', 'SELECT raft_stop()');
$node->safe_psql('template1', 'CREATE DATABASE twin TEMPLATE postgres');
$node->safe_psql('postgres', 'SELECT raft_start()');
$node->safe_psql('twin', 'SELECT raft_start()');
ok( $cluster->wait_until('the copied database to be refused',
		sub { ($cluster->value($copied, 'SELECT state FROM raft_state()', dbname => 'twin') // '') eq 'failed' }),
	'a copy of the database does not start under the old identity');
like($cluster->value($copied, 'SELECT error FROM raft_state()', dbname => 'twin') // '',
	qr/made by another server: The log was last written in the database with OID/, 'and says why');
ok($cluster->wait_leader, 'while the original does');

done_testing();
