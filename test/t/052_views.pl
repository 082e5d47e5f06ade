# What the views say is so: a member that is refused says by whom and why, and so does the
# one that refuses; an error is gone when its cause is; nobody lacks the whole log because
# its leader is new; and the log says who holds it before it is full.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Utils;
use RaftCluster;
use Test::More;

my $cluster = RaftCluster->new(settings => { 'raft_pg.log_size' => '4MB' });
my $leader  = $cluster->start;

sub peer
{
	my ($name, $peer, $column) = @_;
	return $cluster->value($name, "SELECT $column FROM pg_stat_raft_replication WHERE node = '$peer'") // '';
}

sub wait_peer
{
	my ($name, $peer, $condition, $what) = @_;
	return ok($cluster->wait_until($what, sub { peer($name, $peer, $condition) eq 't' }), $what);
}

# --- a member is away, and the leader is new ---

my ($away, $other) = $cluster->others($leader);
$cluster->propose($leader, "before $_") foreach 1 .. 20;
ok($cluster->wait_same_state, 'all three hold the same');
wait_peer($leader, $away, 'lag = 0 AND lag_time = interval $$0$$ AND last_error IS NULL', 'a member that has everything lags by nothing');
$cluster->node($away)->stop;
ok($cluster->propose($leader, 'while it is away'), 'a member is away');
wait_peer($leader, $away, 'lag = 1 AND lag_time > interval $$0$$ AND last_error IS NOT NULL', 'it lags by one entry, for some time, and the reason is there');

my $term = $cluster->state($leader)->{term};
$cluster->node($leader)->stop;
$cluster->node($leader)->start;
$leader = $cluster->wait_leader($cluster->others($away));
($other) = $cluster->others($away, $leader);
cmp_ok($cluster->state($leader)->{term}, '>', $term, 'another leadership begins');
wait_peer($leader, $other, 'lag = 0', 'the other member has everything');
is(peer($leader, $away, 'lag IS NULL AND match_index IS NULL'), 't', 'what the dead one lacks is not known now, and no figure is made up');

# --- the log fills up ---

my $from   = -s $cluster->node($leader)->logfile;
my $client = $cluster->client($leader);
my $large  = "SELECT raft_propose(convert_to(repeat('0123456789', 10000), 'UTF8'))";
my $result;
foreach (1 .. 100)
{
	$result = $client->query($large);
	last if $result->{error};
}
is($result->{error}{C}, '53400', 'the log is full');
like($result->{error}{D}, qr/Node "$away" has confirmed nothing to this leader, since \d{4}-/,
	'the error says who holds the log, and since when; no figure is made up');
my @warnings = grep { /WARNING: / } split /\n/, slurp_file($cluster->node($leader)->logfile, $from);
is(scalar @warnings, 2, 'the server log has warned twice') or diag(join "\n", @warnings);
like($warnings[0] // '', qr/Raft log is 7\d% full/, 'at 75 percent');
like($warnings[1] // '', qr/Raft log is 9\d% full/, 'and at 90');
like(slurp_file($cluster->node($leader)->logfile, $from), qr/DETAIL: +Node "$away" has/, 'each naming the member');
is($cluster->value($leader, 'SELECT log_held_by FROM pg_stat_raft WHERE log_held_from IS NULL AND log_held_since IS NOT NULL'),
	$away, 'and so does the view');

$cluster->node($away)->start;
ok($cluster->wait_same_state, 'the member is back');
ok($cluster->wait_until('room in the log', sub { !$client->query($large)->{error} }), 'there is room again');
ok( $cluster->wait_until('the line about it',
		sub { slurp_file($cluster->node($leader)->logfile, $from) =~ /LOG: +Raft log has room again/ }),
	'and the log says so');
wait_peer($leader, $away, 'last_error IS NULL AND lag IS NOT NULL', 'its error is gone from the view');

# --- it fills up again, while this leader knows where the member stood ---

$cluster->node($away)->stop;
foreach (1 .. 100)
{
	$result = $client->query($large);
	last if $result->{error};
}
like($result->{error}{D}, qr/Node "$away" lacks the entries from index [1-9]\d+ on, and has confirmed nothing since \d{4}-/,
	'the error says who lacks entries, from where, and since when');
is($cluster->value($leader, 'SELECT log_held_by FROM pg_stat_raft WHERE log_held_from > 1 AND log_held_since IS NOT NULL'),
	$away, 'and so does the view');
$cluster->node($away)->start;
ok($cluster->wait_same_state, 'the member is back');
ok($cluster->wait_until('room in the log', sub { !$client->query($large)->{error} }), 'there is room again');

# --- an applier that cannot go on ---

my $function = 'apply_command(bigint, bytea)';
$leader = $cluster->wait_leader;
($away, $other) = $cluster->others($leader);
is($cluster->state($other)->{error}, undef, 'a member has no trouble');
$cluster->node($other)->safe_psql('postgres', "ALTER FUNCTION $function RENAME TO away");
ok($cluster->propose($leader, 'without the function'), 'its apply function is gone');
ok( $cluster->wait_until('the error', sub { ($cluster->state($other)->{error} // '') =~ /applier.*apply_command/ }),
	'raft_state() says why it cannot go on');
$cluster->node($other)->safe_psql('postgres', 'ALTER FUNCTION away(bigint, bytea) RENAME TO apply_command');
ok($cluster->wait_until('no error', sub { !defined $cluster->state($other)->{error} }), 'and nothing once it can');

# --- a member that is refused ---

$cluster->node($away)->safe_psql('postgres', "$_ EXTENSION raft_pg") foreach qw(DROP CREATE);
$cluster->start_groups($away);
ok( $cluster->wait_until('the refusals',
		sub { ($cluster->state($away)->{error} // '') =~ /node "\w" refuses this node: .+; node "\w" refuses this node: .+/ }),
	'a member that is refused says by whom and why');
like($cluster->state($away)->{error}, qr/"$_" refuses/, "by $_") foreach $leader, $other;
ok($cluster->wait_until('no quorum', sub { !$cluster->state($away)->{has_quorum} }), 'it has no quorum');
wait_peer($away, $leader, 'refused_since IS NOT NULL AND last_error IS NOT NULL', 'its view says since when');
wait_peer($leader, $away, 'incoming_error IS NOT NULL AND incoming_error_time IS NOT NULL AND NOT incoming',
	'those who refuse it say so, too');
is(peer($leader, $other, 'incoming_error IS NULL AND refused_since IS NULL'), 't', 'of this one alone');

done_testing();
