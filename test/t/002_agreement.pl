# What the leader accepts stands in the log of every server, at the same index, and is
# applied there once and in that order.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use RaftCluster;
use Test::More;

my $cluster = RaftCluster->new;
my $leader  = $cluster->start;
my ($follower, $third) = $cluster->others($leader);
my $client = $cluster->client($leader);

# --- order ---

my @indexes = map { $client->value("SELECT raft_propose('command $_'::text)") } 1 .. 20;
is_deeply(\@indexes, [ sort { $a <=> $b } @indexes ], 'indexes grow in the order of proposals');
is(scalar(keys %{ { map { $_ => 1 } @indexes } }), 20, 'and no index is given twice');
is( $client->value(
		"SELECT string_agg(index || convert_from(command, 'UTF8'), ',' ORDER BY index) FROM commands"),
	join(',', map { $indexes[ $_ - 1 ] . "command $_" } 1 .. 20),
	'raft_propose returns once the command is applied on its own node');
ok($cluster->wait_applied($indexes[-1]), 'the followers apply them too');
ok($cluster->wait_same_state, 'all three hold the same');

# --- contents ---

my $all_bytes = 'decode(' . join(' || ', "'" . join('', map { sprintf '%02x', $_ } 0 .. 255) . "'") . ", 'hex')";
my $index = $client->value("SELECT raft_propose($all_bytes)");
ok($cluster->wait_applied($index), 'a command of every byte value is applied');
is($cluster->value($third, "SELECT command = $all_bytes FROM commands WHERE index = $index"),
	't', 'unchanged');
$index = $client->value("SELECT raft_propose(convert_to(repeat('0123456789', 20000), 'UTF8'))");
ok($cluster->wait_applied($index), 'a command larger than a page, a batch and the socket is applied');
is($cluster->value($follower, "SELECT length(command) FROM commands WHERE index = $index"),
	200000, 'whole');
$index = $client->value("SELECT raft_propose(''::bytea)");
ok($cluster->wait_applied($index), 'so is an empty one');

# --- the log can be read ---

my $log = q{SELECT md5(string_agg(l::text, ';' ORDER BY l.index)) FROM raft.log l};
ok($cluster->wait_same_state, 'all three hold the same');
my $first = $cluster->value($leader, 'SELECT max(first) FROM (SELECT min(index) AS first FROM raft.log) f');
cmp_ok($first, '>=', 1, 'raft.log shows entries');
is( $cluster->value($follower, "$log WHERE index >= $indexes[0]"),
	$cluster->value($leader, "$log WHERE index >= $indexes[0]"),
	'the same on a follower and on the leader');

# --- refusals ---

my $result = $cluster->client($follower)->query("SELECT raft_propose('x'::text)");
is($result->{error}{C}, '25006', 'a follower refuses a proposal');
like($result->{error}{D} // '', qr/\b$leader\b/, 'and names the leader in the detail');

$result = $client->query("BEGIN; SELECT raft_propose('x'::text)");
is($result->{error}{C}, '25001', 'a proposal inside a transaction block is refused: it cannot be rolled back');
$client->query('ROLLBACK');
$result = $client->query("SELECT raft_propose('x'::text); SELECT 1");
is($result->{error}{C}, '25001', 'so is one among several statements sent at once');

# --- asynchronous ---

my ($async) = @{ $client->query("SELECT * FROM raft_propose_async('later'::text)")->{rows} };
is($async->[2], 't', 'raft_propose_async tells the leader that it leads');
$client->value("SELECT raft_wait($async->[0], $async->[1])");
is($client->value("SELECT count(*) FROM commands WHERE index = $async->[0] AND command = 'later'"),
	1, 'raft_wait returns once that entry is applied');
($async) = @{ $cluster->client($follower)->query("SELECT * FROM raft_propose_async('nowhere'::text)")->{rows} };
is($async->[2], 'f', 'on a follower it answers that it does not lead');

# --- commands that fail ---

$cluster->node($_)->safe_psql(
	'postgres', q{
	CREATE TABLE unique_commands (command bytea PRIMARY KEY);
	CREATE FUNCTION apply_unique(bigint, bytea) RETURNS void LANGUAGE sql
		AS 'INSERT INTO public.unique_commands VALUES ($2)';
}) foreach $cluster->names;
ok($cluster->on_leader(q{SELECT raft_set_apply('public.apply_unique(bigint, bytea)')}),
	'another function takes over the commands');
ok($client->value("SELECT raft_propose('once'::text)"), 'a command succeeds');
$result = $client->query("SELECT raft_propose('once'::text)");
is($result->{error}{C}, '23505', 'the same one again violates a constraint: its proposer is told');
ok($index = $client->value("SELECT raft_propose('twice'::text)"), 'the next one is applied all the same');
ok($cluster->wait_applied($index), 'and the followers go on past the failure');
foreach my $name ($cluster->names)
{
	is( $cluster->value($name, q{SELECT string_agg(convert_from(command, 'UTF8'), ',' ORDER BY command) FROM unique_commands}),
		'once,twice', "$name holds the same");
}

done_testing();
