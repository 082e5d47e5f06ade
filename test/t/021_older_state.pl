# A machine that is set back to an earlier state of its disk keeps every mark of its own: the
# other members remember what it was and what it acknowledged, and do not listen to less.  A
# node that was only away, or started often, is the same node.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use RaftCluster;
use RaftDirectory;
use Test::More;

my $cluster = RaftCluster->new;
my $leader  = $cluster->start;
my ($set_back, $away) = $cluster->others($leader);
my $node = $cluster->node($set_back);
my $node_id = $cluster->value($leader, "SELECT node_id FROM raft.members WHERE node = '$set_back'");

sub refused
{
	my ($reason, $what) = @_;

	foreach my $peer ($cluster->others($set_back))
	{
		ok( $cluster->wait_until("$peer to refuse it", sub {
				($cluster->value($set_back, "SELECT last_error FROM pg_stat_raft_replication WHERE node = '$peer'") // '')
				  =~ $reason }),
			"$peer does not listen to $what");
		ok($cluster->node($peer)->log_contains($reason), 'and says so in its log');
	}
	is($cluster->value($set_back, 'SELECT has_quorum FROM raft_state()'), 'f', 'it has no quorum');
	is($cluster->value($set_back, 'SELECT leaderships FROM pg_stat_raft'), 0, 'and never led');
	return;
}

sub newest_again
{
	my ($image) = @_;

	$node->stop;
	RaftDirectory::set_back($node, $image);
	$node->start;
	$leader = $cluster->wait_leader;
	ok($leader, 'with its newest state the node is taken back');
	ok($cluster->wait_same_state, 'and all three hold the same');
	return;
}

# The node is to follow: what it acknowledges is what counts.
sub follow
{
	while ($leader eq $set_back)
	{
		$node->restart;
		$leader = $cluster->wait_leader;
	}
	return;
}

# --- set back to before a start that the others have met ---

$cluster->propose($leader, "before $_") foreach 1 .. 3;
ok($cluster->wait_same_state, 'all three hold the same');
$node->stop;
my $old = RaftDirectory::copy($node->data_dir, $node->data_dir . '.old');
$node->start;
ok($leader = $cluster->wait_leader, 'the node starts once more');
$node->stop;
my $new = RaftDirectory::copy($node->data_dir, $node->data_dir . '.new');
RaftDirectory::set_back($node, $old);
$node->start;
refused(qr/comes in an older state than before/, 'a machine that is set back to before its last start');
newest_again($new);

# --- an honest node ---

follow();
my ($other) = $cluster->others($leader, $set_back);
$cluster->node($other)->stop;
foreach (1 .. 4)
{
	$node->safe_psql('postgres', 'SELECT raft_stop()');
	$node->safe_psql('postgres', 'SELECT raft_start()');
	ok($leader = $cluster->wait_leader($cluster->others($other)), 'a node starts while another one is away');
}
$cluster->start_again($other);
ok($cluster->wait_leader, 'which knows it all the same when it is back');
my $boot = $cluster->value($set_back, 'SELECT boot_count FROM pg_stat_raft');
ok( $cluster->wait_until('the others to have met its last start', sub {
		!grep { ($cluster->value($_, "SELECT boot_count FROM raft.peers WHERE node_id = $node_id") // 0) != $boot }
		  $cluster->others($set_back) }),
	'they have met its last start');

# --- set back within the time of one start ---

$leader = $cluster->wait_leader;
follow();
$cluster->pause($set_back);
my $snapshot = RaftDirectory::copy($node->data_dir, $node->data_dir . '.snapshot');
$cluster->resume($set_back);
ok($cluster->wait_same_state, 'a snapshot of the running machine is made');
ok($cluster->propose($leader, "acknowledged $_"), "command $_ is acknowledged") foreach 1 .. 3;
ok( $cluster->wait_until('the leader to note what was acknowledged', sub {
		($cluster->value($leader, "SELECT acknowledged >= (SELECT max(index) FROM commands) FROM raft.peers WHERE node_id = $node_id") // 'f')
		  eq 't' }),
	'the leader remembers what the node has acknowledged');
ok($cluster->kill9($set_back), 'the machine stops');
RaftDirectory::set_back($node, $snapshot);
unlink $node->data_dir . '/postmaster.pid';	# the process it names may be there as a zombie
$cluster->start_again($set_back);
ok( $cluster->wait_until("$leader to refuse it", sub {
		($cluster->value($set_back, "SELECT last_error FROM pg_stat_raft_replication WHERE node = '$leader'") // '')
		  =~ /has lost a part of its log/ }),
	'the leader does not listen to it when it comes with less');
is($cluster->value($set_back, 'SELECT leaderships FROM pg_stat_raft'), 0, 'it never led');
ok($cluster->propose($leader, 'without it'), 'the two others go on');

done_testing();
