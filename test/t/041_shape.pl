# Tables that are not as the library knows them: a later version of the extension under an
# older library, or somebody's hand.  Their groups have failed and say why; the server and
# its other groups go on.  A trigger on them, wherever it comes from, does not run in raft_pg.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Utils;
use RaftCluster;
use Test::More;

my $cluster = RaftCluster->new(
	nodes    => ['a'],
	settings => { 'raft_pg.max_groups' => 8, 'max_worker_processes' => 32, 'raft_pg.log_size' => '4MB', 'raft_pg.max_command_size' => '64kB' });
my $node = $cluster->node('a');
$cluster->start;

# Updates of the extension to versions that this library is not made for.
my %update = (
	applied    => 'ALTER TABLE raft.applied ' . join(', ', map { "ADD COLUMN c$_ text DEFAULT 'later'" } 1 .. 40),
	failures   => 'ALTER TABLE raft.failures ADD COLUMN later integer NOT NULL DEFAULT 1',
	node_bytes => q{ALTER TABLE raft.node ALTER COLUMN bootstrap TYPE bytea USING '\x07'},
	node_type  => 'ALTER TABLE raft.node ALTER COLUMN bootstrap TYPE integer USING 7',
	node       => 'ALTER TABLE raft.node ADD COLUMN later integer',
	unlogged   => 'ALTER TABLE raft.applied SET UNLOGGED',
	planted    => q{
		CREATE FUNCTION raft.planted() RETURNS trigger LANGUAGE plpgsql
			AS $$ BEGIN RAISE EXCEPTION 'planted, running as %', current_user; END $$;
		CREATE TRIGGER planted BEFORE INSERT OR UPDATE OR DELETE ON raft.failures EXECUTE FUNCTION raft.planted();
		CREATE TRIGGER planted_row AFTER INSERT OR UPDATE OR DELETE ON raft.failures
			FOR EACH ROW EXECUTE FUNCTION raft.planted();
		CREATE TRIGGER planted BEFORE INSERT OR UPDATE ON raft.applied FOR EACH ROW EXECUTE FUNCTION raft.planted();
		CREATE TRIGGER planted BEFORE INSERT OR UPDATE ON raft.node FOR EACH ROW EXECUTE FUNCTION raft.planted();
		CREATE RULE planted AS ON INSERT TO raft.failures DO ALSO SELECT 1 / 0});
my %reason = (
	applied  => qr/"raft\.applied" does not match this version .*43 columns instead of 3/,
	failures => qr/"raft\.failures" does not match this version .*7 columns instead of 6/,
	node     => qr/"raft\.node" does not match this version .*7 columns instead of 6/,
	unlogged => qr/"raft\.applied" does not match this version .*survive/);

# The server under test is a copy of this run's own.
my $directory = $node->config_data('--sharedir') . '/extension';
foreach my $name (sort keys %update)
{
	PostgreSQL::Test::Utils::append_to_file("$directory/raft_pg--1.0--$name.sql", "$update{$name};\n");
}
END { unlink glob "$directory/raft_pg--1.0--{applied,failures,node,node_bytes,node_type,planted,unlogged}.sql" if defined $directory; }

foreach my $name (sort keys %update)
{
	$node->safe_psql('postgres', "CREATE DATABASE $name");
	$node->safe_psql($name, q{
		CREATE EXTENSION raft_pg;
		CREATE FUNCTION apply(bigint, bytea) RETURNS void LANGUAGE plpgsql
			AS $$ BEGIN IF $2 = 'fails' THEN RAISE EXCEPTION 'as asked'; END IF; END $$});
	$node->safe_psql($name, "ALTER EXTENSION raft_pg UPDATE TO 'planted'") if $name eq 'planted';
	$node->safe_psql($name, 'SELECT raft_start()');
	$node->poll_query_until($name, 'SELECT raft_is_leader()');
	$node->safe_psql($name, q{SELECT raft_set_apply('apply(bigint, bytea)')});
	$node->safe_psql($name, "ALTER EXTENSION raft_pg UPDATE TO '$name'") if $name ne 'planted';
}

# --- while it runs ---

foreach my $name ('applied', 'failures', 'unlogged')
{
	$node->safe_psql($name, q{SELECT raft_propose_async('fails'::text)});
	ok( $node->poll_query_until($name, q{SELECT apply_error LIKE '%does not match this version%' FROM pg_stat_raft}),
		"$name: the applier says so and waits");
}

my ($code, $out, $error) = $node->psql('planted', q{SELECT raft_propose('fails'::text)});
like($error, qr/ERROR:  as asked/, 'planted: the command fails by its own fault');
is($node->safe_psql('planted', 'SELECT message FROM raft.failures'), 'as asked', 'no trigger and no rule has run');

# --- at the next start ---

$node->append_conf('postgresql.conf', 'raft_pg.max_failures = 0');
$node->restart;
foreach my $name (sort keys %reason)
{
	ok( $node->poll_query_until($name, q{SELECT state = 'failed' FROM raft_state()}),
		"$name: the group has failed");
	like($node->safe_psql($name, 'SELECT error FROM raft_state()'), $reason{$name}, 'and says why');
	is($node->safe_psql($name, 'SELECT applied_index > 0 FROM raft.applied'),
		't', 'what it has applied stays');
}
ok($cluster->wait_leader, 'another group of the server runs');
ok($cluster->propose('a', 'unharmed'), 'and takes commands');

# --- no failure is kept ---

$node->safe_psql('postgres', q{
	CREATE FUNCTION divide(bigint, bytea) RETURNS integer LANGUAGE sql AS 'SELECT 1 / length($2)'});
$cluster->value('a', q{SELECT raft_set_apply('divide(bigint, bytea)')});
is($cluster->client('a')->query(q{SELECT raft_propose(''::text)})->{error}{C}, '22012', 'a command fails');
is($cluster->value('a', q{SELECT failures || ' ' || (SELECT count(*) FROM raft.failures) FROM raft.applied}),
	'1 0', 'it is counted, and not kept with max_failures = 0');

($code, $out, $error) = $node->psql('node', 'SELECT raft_stop()');
like($error, qr/does not match this version of raft_pg/, 'a function that would write refuses');
like($error, qr/HINT:.*ALTER EXTENSION raft_pg UPDATE/, 'with what to do');

# --- the end ---

foreach my $name ('node', 'node_bytes', 'node_type')
{
	is(($node->psql($name, 'DROP EXTENSION raft_pg'))[0], 0, "$name: the extension can be dropped");
}

unlike(PostgreSQL::Test::Utils::slurp_file($node->logfile), qr/terminated by signal|TRAP:/,
	'no process has crashed');

done_testing();
