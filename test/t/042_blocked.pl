# A lock that keeps a node from applying what is committed: the views say on what, by whom and
# since when, while it lasts; whoever holds it longer than raft_pg.max_apply_delay is
# canceled, and terminated when that does not help.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Utils;
use RaftCluster;
use Test::More;

my $cluster = RaftCluster->new(
	nodes    => ['a'],
	settings => { 'raft_pg.max_apply_delay' => -1, 'max_prepared_transactions' => 2, 'autovacuum' => 'off' });
$cluster->start;
my $node = $cluster->node('a');
$node->safe_psql(
	'postgres', q{
	CREATE TABLE counter (n integer);
	INSERT INTO counter VALUES (0);
	CREATE OR REPLACE FUNCTION apply_command(bigint, bytea) RETURNS void LANGUAGE sql AS $$
		INSERT INTO public.commands VALUES ($1, $2);
		UPDATE public.counter SET n = n + 1;
	$$});

sub sql { return $cluster->value('a', @_) }

sub set_delay
{
	my ($delay) = @_;
	$node->safe_psql('postgres', "ALTER SYSTEM SET raft_pg.max_apply_delay = '$delay'");
	$node->reload;
	return;
}

sub propose { return sql("SELECT index FROM raft_propose_async('$_[0]'::text)") }

# A session in a transaction that has done this, and its process.
sub holder
{
	my ($what) = @_;
	my $client = $cluster->client('a');
	my $pid = $client->query('SELECT pg_backend_pid()')->{rows}[0][0];
	$client->query('BEGIN');
	$client->query($what);
	return ($client, $pid);
}

sub blocked
{
	my ($on, $by) = @_;
	return $cluster->wait_until(
		"the applier to be blocked on $on",
		sub { sql(qq{SELECT apply_blocked_on = '$on' AND apply_blocked_by = '{$by}'
			AND apply_blocked_since BETWEEN pg_postmaster_start_time() AND clock_timestamp() FROM pg_stat_raft}) // '' eq 't' });
}

sub error_like
{
	my ($pattern) = @_;
	return $cluster->wait_until('the error of raft_state()',
		sub { ($cluster->state('a')->{error} // '') =~ $pattern });
}

# --- seen while it lasts ---

my ($client, $pid) = holder('LOCK TABLE commands');
my $index = propose('waits for a table');
ok(blocked('table public.commands', $pid), 'a table: the view says on what, by whom and since when');
ok(error_like(qr/^the applier waits for a lock on table public\.commands, held up by process $pid, since 20/),
	'and so does raft_state()');
$client->query('COMMIT');
ok($cluster->wait_applied($index, 'a'), 'a setting of -1 waits until it is released');
is(sql('SELECT apply_blocked_on IS NULL AND apply_blocked_by IS NULL FROM pg_stat_raft'), 't', 'then nothing is said');
is($cluster->state('a')->{error}, undef, 'nor by raft_state()');

($client, $pid) = holder('UPDATE counter SET n = n');
$index = propose('waits for a row');
ok(blocked('a row of table public.counter', $pid), 'a row: its table is told');
$client->close;
ok($cluster->wait_applied($index, 'a'), 'and the command is applied once the row is free');

# --- ended ---

my $log = $node->logfile;
my $position = -s $log;
($client, $pid) = holder('LOCK TABLE commands');
$client->send_query('SELECT pg_sleep(600)');
$index = propose('waits for a query');
set_delay('200ms');
is($client->answer->{error}{C}, '57014', 'a superuser who is busy is canceled');
ok($cluster->wait_applied($index, 'a'), 'and the command is applied');
is($client->query('ROLLBACK; SELECT 1')->{error}, undef, 'his session lives on');

($client, $pid) = holder('LOCK TABLE commands');
$index = propose('waits for an idle one');
ok($cluster->wait_applied($index, 'a'), 'one who is idle in his transaction is got rid of');
like($client->query('SELECT 1')->{error}{C} // 'gone', qr/^(57P01|gone)$/, 'his session was terminated');
my $said = slurp_file($log, $position);
like($said, qr/LOG:  canceling process $pid, which keeps a node/, 'the log says who was canceled');
like($said, qr/LOG:  terminating process $pid, which keeps a node/, 'and terminated');
like($said, qr/DETAIL:  The Raft applier .* has waited longer .* for a lock on relation \d+ of database \d+/, 'and why');

# A statement that holds what its own command needs waits for itself.
my $own = $cluster->client('a');
my $answer = $own->query(q{WITH held AS (UPDATE counter SET n = n RETURNING n) SELECT raft_propose('waits for its proposer'::text) FROM held});
is($answer->{error}{C}, '08007', 'a statement that waits for itself is ended, too');
like($answer->{error}{D} // '', qr/committed at index \d+/, 'and told that its command stands');
ok($cluster->wait_same_state('a'), 'which is applied');
is(sql(q{SELECT count(*) FROM commands WHERE command = 'waits for its proposer'}), 1, 'once');
$own->close;

# --- who waits before the applier ---

my ($reader, $reader_pid) = holder('SELECT count(*) FROM commands');
my $waiter = $cluster->client('a');
$waiter->query('BEGIN');
$waiter->send_query('LOCK TABLE commands');
$cluster->wait_until('the queue', sub { sql('SELECT count(*) FROM pg_locks WHERE NOT granted') == 1 });
$index = propose('waits in a queue');
ok($cluster->wait_applied($index, 'a'), 'who only stands in the queue before the applier is canceled, too');
is($reader->query('SELECT 1')->{error}, undef, 'and not who does not stand in its way');
$_->close foreach $reader, $waiter;

# --- what cannot be ended ---

($client) = holder('LOCK TABLE commands');
$client->query(q{PREPARE TRANSACTION 'p'});
$index = propose('waits for a prepared transaction');
ok(blocked('table public.commands', 0), 'a prepared transaction has no process');
ok(error_like(qr/held up by a prepared transaction/), 'and raft_state() says what it is');
ok( $cluster->wait_until('the log', sub { slurp_file($log, $position) =~ /a prepared transaction keeps a node/ }),
	'the log says so');
$client->query(q{COMMIT PREPARED 'p'});
ok($cluster->wait_applied($index, 'a'), 'it is waited for');
is(sql('SELECT apply_retries FROM pg_stat_raft'), 0, 'the applier has kept its place all the time');

# --- an autovacuum against wraparound, which PostgreSQL itself does not interrupt for a lock ---

set_delay(-1);
$node->safe_psql('postgres', $_)
  foreach q{CREATE TABLE slow (n integer) WITH (fillfactor = 10, autovacuum_freeze_max_age = 100000,
		autovacuum_vacuum_cost_delay = 100, autovacuum_vacuum_cost_limit = 1)},
  'INSERT INTO slow SELECT generate_series(1, 30000)',
  # as many transactions as make it old
  q{SET synchronous_commit = off;
	DO $$ BEGIN FOR i IN 1 .. 100100 LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END $$},
  'ALTER SYSTEM SET autovacuum = on', 'ALTER SYSTEM SET autovacuum_naptime = 1', 'ALTER SYSTEM SET log_lock_waits = on',
  'SELECT pg_reload_conf()',
  q{CREATE OR REPLACE FUNCTION apply_command(bigint, bytea) RETURNS void LANGUAGE sql AS $$
		INSERT INTO public.commands VALUES ($1, $2);
		LOCK TABLE public.slow IN SHARE MODE;
	$$};

sub vacuums
{
	return sql(q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'autovacuum worker'
		AND query LIKE 'autovacuum: VACUUM%public.slow (to prevent wraparound)'});
}
ok($pid = $cluster->wait_until('autovacuum', \&vacuums), 'an autovacuum is busy, to prevent wraparound');
$position = -s $log;
$index = propose('waits for an autovacuum');
ok(blocked('table public.slow', $pid), 'a command that waits for it: the view says so');
ok($cluster->wait_until('the deadlock check', sub { slurp_file($log, $position) =~ /still waiting for ShareLock/ }),
	'PostgreSQL has looked who is in the way');
is(vacuums(), $pid, 'and left it alone');
set_delay('200ms');
ok($cluster->wait_applied($index, 'a'), 'raft_pg.max_apply_delay ends it');
like(slurp_file($log, $position), qr/LOG:  canceling process $pid, which keeps a node/, 'the log says so');
ok($cluster->wait_until('autovacuum again', \&vacuums), 'and PostgreSQL begins it again');

done_testing();
