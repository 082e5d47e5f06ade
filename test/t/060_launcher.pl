# The launcher: a pause before a worker is started again lasts no longer because the wall clock
# was set back, and ends at once when somebody calls raft_start(); a planned end of the workers
# is nothing that the server log calls fatal.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Utils;
use RaftClock;
use RaftCluster;
use Test::More;

my $clock   = RaftClock->new;
my $cluster = RaftCluster->new(
	nodes    => ['a'],
	settings => {
		# places for the launcher and one group
		'max_worker_processes'            => 4,
		'max_logical_replication_workers' => 0
	});
my $node = $cluster->node('a');
$clock->run(sub { $cluster->start_servers });
foreach my $database (qw(first second))
{
	$node->safe_psql('postgres', "CREATE DATABASE $database");
	$node->safe_psql($database, 'CREATE EXTENSION raft_pg');
}

sub value_in { my ($database, $sql) = @_; return $cluster->value('a', $sql, dbname => $database) // ''; }
sub leads
{
	my ($database, %options) = @_;
	return $cluster->wait_until("the group of $database",
		sub { value_in($database, 'SELECT role FROM raft_state()') eq 'leader' }, %options);
}
sub node_worker
{
	return value_in('first', q{SELECT pid FROM pg_stat_activity
		WHERE backend_type = 'raft_pg node' AND datname = 'first'});
}

# --- raft_start() ends a pause ---

$node->safe_psql('first', 'SELECT raft_start()');
ok(leads('first'), 'a group runs');
$node->safe_psql('second', 'SELECT raft_start()');
ok( $cluster->wait_until(
		'the second group to be out of places',
		sub { value_in('second', 'SELECT error FROM raft_state()') =~ /out of background worker slots/ }),
	'the next attempt for another group is made in a minute');
$node->safe_psql('first', 'SELECT raft_stop()');
$cluster->wait_until('the places', sub { node_worker() eq '' });
$node->safe_psql('second', 'SELECT raft_start()');
ok(leads('second', timeout => 40), 'raft_start() does not wait for it');
$node->safe_psql('second', 'SELECT raft_stop()');
$node->safe_psql('first',  'SELECT raft_start()');
ok(leads('first'), 'the first group runs again');

# --- the wall clock is set back during a pause ---

foreach my $round (1 .. 2)
{
	my $pid = node_worker();
	kill 'TERM', $pid;
	$cluster->wait_until('its end', sub { node_worker() ne $pid });
	$clock->set(-3600 * $round);
	ok(leads('first'), 'a worker that has ended comes back, whatever the clock says');
}

# --- the ends that were planned ---

# One that holds the applier in a command, and so in a wait for a lock.
$node->safe_psql(
	'first', q{
	CREATE TABLE applied (command bytea);
	CREATE FUNCTION apply(bigint, bytea) RETURNS void LANGUAGE sql AS 'INSERT INTO public.applied VALUES ($2)';
	SELECT raft_set_apply('apply(bigint, bytea)')});
my $holder = $cluster->client('a', dbname => 'first');
$holder->query('BEGIN');
$holder->query('LOCK TABLE applied');
$node->safe_psql('first', q{SELECT raft_propose_async('held'::text)});
ok( $cluster->wait_until(
		'the applier to wait for the lock',
		sub { value_in('first', q{SELECT count(*) FROM pg_locks WHERE NOT granted}) eq '1' }),
	'a command waits for a lock');
$node->safe_psql('first', 'SELECT raft_stop()');
ok($cluster->wait_until('the workers to end', sub { value_in('first', q{SELECT count(*) FROM pg_stat_activity
	WHERE backend_type IN ('raft_pg node', 'raft_pg applier')}) eq '0' }), 'raft_stop() ends the workers all the same');
$holder->query('COMMIT');
$node->safe_psql('first', 'SELECT raft_start()');
ok(leads('first'), 'started again');
ok($cluster->wait_until('the command', sub { value_in('first', 'SELECT count(*) FROM applied') eq '1' }), 'it applies the command');
$node->stop;
my $log = PostgreSQL::Test::Utils::slurp_file($node->logfile);
unlike($log, qr/FATAL: .*raft_pg/, 'no end of a worker was fatal');
unlike($log, qr/ERROR: .*canceling/, 'and the cancel in it is no error to report');

done_testing();
