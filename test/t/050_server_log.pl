# What lasts does not fill the server's log: a line when it begins, one when it ends, and
# reminders that become rare.  Counted in lines per attempt, not in time.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Utils;
use RaftCluster;
use Test::More;

my $cluster = RaftCluster->new(settings => { 'log_min_messages' => 'warning' });
my $leader  = $cluster->start;
my ($stopped, $other) = $cluster->others($leader);
my %from;

# Lines of a server's log since mark() that match.
sub mark
{
	$from{$_} = -s $cluster->node($_)->logfile foreach $cluster->names;
	return;
}

sub lines
{
	my ($name, $pattern) = @_;
	return grep { /$pattern/ } split /\n/, slurp_file($cluster->node($name)->logfile, $from{$name});
}

sub few
{
	my ($name, $pattern, $most, $what) = @_;
	my @lines = lines($name, $pattern);

	cmp_ok(scalar @lines, '<=', $most, $what) or diag(join "\n", @lines);
	cmp_ok(scalar @lines, '>', 0, '... but at least one');
	return;
}

# A line that is part of an error, with all that belongs to it.
my $of_error = qr/ (?:ERROR|FATAL|DETAIL|HINT|STATEMENT|CONTEXT|QUERY): /;

# Failed attempts of one node to reach another, told apart by their times.
sub wait_failures
{
	my ($name, $peer, $n) = @_;
	my %times;

	return $cluster->wait_until(
		"$n failed attempts of $name to reach $peer",
		sub {
			my $time = $cluster->value($name,
				"SELECT last_error_time FROM pg_stat_raft_replication WHERE node = '$peer' AND link <> 'streaming'");
			$times{$time} = 1 if defined $time;
			return keys %times >= $n;
		});
}

# A stream as a node's worker asks for one, though with arguments that no node has.
sub ask_for_stream
{
	my ($name, %options) = @_;
	my $client = $cluster->client($name, %options);
	my $arguments = $cluster->value($name,
		q{SELECT string_agg('NULL', ', ') FROM generate_series(1, (SELECT pronargs FROM pg_proc WHERE oid = 'raft.stream'::regproc))});
	my $refused = 0;

	foreach (1 .. 30)
	{
		$refused++ if $client->query("CALL raft.stream($arguments)")->{error};
	}
	$client->close;
	return $refused;
}

# --- a planned stop ---

mark();
$cluster->node($stopped)->safe_psql('postgres', 'SELECT raft_stop()');
ok(wait_failures($leader, $stopped, 6), 'a member is stopped: the others try to reach it again and again');
is(ask_for_stream($stopped), 30, 'it refuses every stream');
few($stopped, $of_error, 20, 'its log gets a few lines');
few($leader, qr/Raft node "$stopped"/, 3, 'and so does that of the leader');
like((lines($leader, qr/CONTEXT: /))[0] // '', qr/Raft node "$leader" in database "postgres", group [0-9a-f]{32}/,
	'which name node, database and group');

mark();
$cluster->node($stopped)->safe_psql('postgres', 'SELECT raft_start()');
ok($cluster->wait_leader, 'it is started again');
ok( $cluster->wait_until('the end of the trouble', sub { lines($leader, qr/stream to Raft node "$stopped" is open/) }),
	'the log says that the trouble is over');

# --- a role that lacks the right ---

$cluster->node($other)->safe_psql(
	'postgres', q{
	CREATE ROLE plain LOGIN;
	GRANT USAGE ON SCHEMA raft TO plain;
	GRANT EXECUTE ON PROCEDURE raft.stream TO plain;
});
mark();
is(ask_for_stream($other, user => 'plain'), 30, 'a role that may not open streams is refused every time');
few($other, $of_error, 4, 'which the log says once');

# --- an applier that cannot go on ---

mark();
$cluster->node($other)->safe_psql('postgres', 'ALTER FUNCTION apply_command(bigint, bytea) RENAME TO away');
$cluster->propose($leader, 'without the function');
ok( $cluster->wait_until('retries', sub { ($cluster->value($other, 'SELECT apply_retries FROM pg_stat_raft') // 0) >= 6 }),
	'an applier fails again and again');
few($other, $of_error, 6, 'which the log says once');
$cluster->node($other)->safe_psql('postgres', 'ALTER FUNCTION away(bigint, bytea) RENAME TO apply_command');
ok($cluster->wait_same_state, 'it goes on');
ok(lines($other, qr/LOG: .*applier resumed/), 'and so says the log');

# --- a member that lost its log ---

mark();
$cluster->node($stopped)->safe_psql('postgres', "$_ EXTENSION raft_pg") foreach qw(DROP CREATE);
$cluster->start_groups($stopped);
ok(wait_failures($stopped, $leader, 6), 'a member that has lost its log tries to reach the others again and again');
few($leader, $of_error, 16, 'their logs get a few lines');
few($stopped, qr/Raft node "$leader"/, 4, 'and so does its own');

done_testing();
