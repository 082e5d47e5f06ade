# A copy of a node's directory lacks what the node has acknowledged since.  However it was
# made, and whoever is up when it comes, it is recognised before it votes: nothing that was
# acknowledged is lost.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use RaftCluster;
use RaftDirectory;
use Test::More;

my $cluster = RaftCluster->new;
my $leader  = $cluster->start;
my ($away, $copied) = $cluster->others($leader);
my $node = $cluster->node($copied);

sub state_of { my ($column) = @_; return $cluster->value($copied, "SELECT $column FROM raft_state()") // ''; }

sub recognised
{
	my ($what, $why) = @_;

	$why //= qr/The node has written its log to another file/;

	ok($cluster->wait_until("the refusal of $what", sub { state_of('state') eq 'failed' }),
		"$what does not start as the node");
	like(state_of('error'), qr/^this copy of the Raft log cannot act as its node: $why/,
		'and says why');
	return;
}

# Commands that one member never hears of, acknowledged by the leader and the node; then
# the node comes with the copy, the leader dies, and the other member returns.
sub lose_all_but
{
	my ($copy, $what, $in_place) = @_;

	$cluster->node($away)->stop;
	ok($cluster->propose($leader, "acknowledged beside $what $_"), 'a command is acknowledged') foreach 1 .. 3;
	$node->stop;
	my $kept = $in_place
	  ? RaftDirectory::copy($node->data_dir, $node->data_dir . '.newest')
	  : RaftDirectory::replace($node, $copy);
	RaftDirectory::set_back($node, $copy) if $in_place;
	$node->start;
	recognised($what, $in_place && qr/The data directory was restored from a base backup that was begun at 2/);
	my $before = $cluster->digest($leader);
	ok($cluster->kill9($leader), 'the leader dies');
	$cluster->start_again($away);
	ok( $cluster->wait_until('the copy to refuse a stream', sub {
			($cluster->value($away, "SELECT last_error FROM pg_stat_raft_replication WHERE node = '$copied'") // '')
			  =~ /is not accepting streams/ }),
		'the member that knows less finds nobody to vote with');
	is($cluster->value($away, 'SELECT leaderships FROM pg_stat_raft'), 0, 'so it does not lead');

	$cluster->start_again($leader);
	$leader = $cluster->wait_leader($away, $leader);
	ok($leader, 'the two originals elect a leader');
	($away) = $cluster->others($leader, $copied);
	ok($cluster->wait_same_state($away, $leader), 'with the same state');
	is($cluster->digest($leader), $before, 'and nothing acknowledged is lost');
	return $kept;
}

sub put_back
{
	my ($kept) = @_;

	$node->stop;
	RaftDirectory::put_back($node, $kept);
	$node->start;
	$leader = $cluster->wait_leader;
	ok($leader, 'the original directory is taken back');
	($away) = $cluster->others($leader, $copied);
	ok($cluster->wait_same_state, 'and all three hold the same');
	return;
}

# --- a base backup of the running server ---

$cluster->propose($leader, "before $_") foreach 1 .. 3;
ok($cluster->wait_same_state, 'all three hold the same');
$node->backup('running');
my $kept = lose_all_but($node->backup_dir . '/running', 'a base backup');
put_back($kept);
if ($leader eq $copied)
{
	$node->restart;
	$leader = $cluster->wait_leader;
	($away) = $cluster->others($leader, $copied);
}

# --- a base backup written over the files that are there ---

$node->backup('in_place');
$kept = lose_all_but($node->backup_dir . '/in_place', 'a base backup restored in place', 1);
$node->stop;
RaftDirectory::set_back($node, $kept);
$node->start;
$leader = $cluster->wait_leader;
ok($leader, 'the newest state is taken back');
ok($cluster->wait_same_state, 'and all three hold the same');
if ($leader eq $copied)
{
	$node->restart;
	$leader = $cluster->wait_leader;
}
($away) = $cluster->others($leader, $copied);

# --- a copy of the stopped server's directory ---

$node->stop;
my $copy = RaftDirectory::copy($node->data_dir, $node->data_dir . '.copy');
$node->start;
$leader = $cluster->wait_leader;
if ($leader eq $copied)
{
	$cluster->node($leader)->restart;
	$leader = $cluster->wait_leader;
}
($away) = $cluster->others($leader, $copied);
$kept = lose_all_but($copy, 'a copy of the stopped directory');
put_back($kept);

# --- moved on purpose: a superuser vouches for it ---

my $refused = $cluster->client($copied)->query('SELECT raft_reset_identity()');
is($refused->{error}{C}, '55000', 'the identity of a running node is not reset');
$node->stop;
my $moved = RaftDirectory::copy($node->data_dir, $node->data_dir . '.moved');
$kept = RaftDirectory::replace($node, $moved);
$node->start;
recognised('a directory that was moved to another disk');
my $hint = $cluster->client($copied)->query(q{SELECT raft_propose('x'::text)});
like($hint->{error}{H} // '', qr/call raft_reset_identity\(\), then raft_start\(\)/, 'the hint tells the way');

$node->safe_psql('postgres', q{CREATE ROLE operator; GRANT EXECUTE ON FUNCTION raft_reset_identity() TO operator});
$refused = $cluster->client($copied)->query('SET ROLE operator; SELECT raft_reset_identity()');
is($refused->{error}{C}, '42501', 'only a superuser can vouch for it, whatever was granted');
$node->safe_psql('postgres', 'BEGIN; SELECT raft_reset_identity(); ROLLBACK');
$node->safe_psql('postgres', 'SELECT raft_start()');
recognised('what was vouched for and rolled back');
$node->safe_psql('postgres', 'SELECT raft_reset_identity()');
$node->safe_psql('postgres', 'SELECT raft_start()');
ok($cluster->wait_leader, 'vouched for, it is the node');
ok($cluster->on_leader(q{SELECT raft_propose('after the move'::text)}), 'and takes part');
ok($cluster->wait_same_state, 'all three hold the same');
is($cluster->value($copied, 'SELECT count(*) FROM raft.resets WHERE reset_by = current_user'), 1, 'the reset is on record');

# It served once: another copy of the same state is a copy again.
$node->stop;
my $second = RaftDirectory::replace($node, $moved);
$node->start;
recognised('a second copy');

# Vouched for as well, it is a twin of the one that goes on elsewhere.
$node->safe_psql('postgres', 'SELECT raft_reset_identity()');
$node->safe_psql('postgres', 'SELECT raft_start()');
foreach my $peer ($cluster->others($copied))
{
	ok( $cluster->wait_until("$peer to refuse it", sub {
			($cluster->value($copied, "SELECT last_error FROM pg_stat_raft_replication WHERE node = '$peer'") // '')
			  =~ /comes in an older state than before/ }),
		"wrongly vouched for, $peer does not listen to it");
}
is(state_of('has_quorum'), 'f', 'and it has no quorum');
put_back($second);

# --- a server that came from a base backup, vouched for, has that backup's label ---

my $label = $node->data_dir . '/backup_label.old';
$node->stop;
PostgreSQL::Test::Utils::append_to_file($label, "LABEL: as a restore leaves it\n");
$node->start;
recognised('a directory with the label of a base backup', qr/The data directory was restored from a base backup\./);
$node->safe_psql('postgres', 'SELECT raft_reset_identity()');
$node->safe_psql('postgres', 'SELECT raft_start()');
ok($cluster->wait_leader, 'vouched for, it is the node');
foreach my $tidied (0, 1)
{
	$node->stop;
	unlink $label if $tidied;
	$node->start;
	ok( $cluster->wait_until('the node to run', sub { state_of('state') eq 'running' }),
		$tidied ? 'and when the label is removed' : 'and when it starts again');
}
$node->stop;
PostgreSQL::Test::Utils::append_to_file($label, "LABEL: of another restore\n");
$node->start;
recognised('another restore after that', qr/The data directory was restored from a base backup\./);

done_testing();
