# A dump of a database with a group has the tables that commands have changed and the extension, but
# no node: what is restored starts as a new group, whose log begins at 1.  A publication for
# all tables takes nothing from the group.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Utils;
use RaftCluster;
use Test::More;

my $cluster = RaftCluster->new(nodes => [qw(a b)], settings => { 'wal_level' => 'logical' });
my ($from, $to) = map { $cluster->node($_) } qw(a b);
$cluster->start_servers;

my $dump = PostgreSQL::Test::Utils::tempdir() . '/dump.sql';
sub app { my ($name, $sql) = @_; return $cluster->value($name, $sql, dbname => 'app') // ''; }
sub leads { my ($name) = @_; return $cluster->wait_until('the group', sub { app($name, 'SELECT role FROM raft_state()') eq 'leader' }); }

$from->safe_psql('postgres', 'CREATE DATABASE app');
$from->safe_psql(
	'app', q{
	CREATE EXTENSION raft_pg;
	CREATE TABLE orders (id bigint PRIMARY KEY, what text NOT NULL);
	CREATE FUNCTION apply_order(index bigint, command bytea) RETURNS void LANGUAGE sql
		AS $$ INSERT INTO public.orders VALUES (index, nullif(convert_from(command, 'UTF8'), 'nothing')) $$;
	CREATE PUBLICATION everything FOR ALL TABLES;
	SELECT pg_create_logical_replication_slot('changes', 'pgoutput')});

# --- a publication for all tables ---

$from->safe_psql('app', 'SELECT raft_start()');
ok(leads('a'), 'a group starts in a database whose tables are all published');
ok(app('a', q{SELECT raft_set_apply('apply_order(bigint, bytea)')}), 'takes an apply function');
foreach my $what (qw(apples pears))
{
	ok(app('a', "SELECT raft_propose('$what'::text)"), 'and commands');
}
is($cluster->client('a', dbname => 'app')->query(q{SELECT raft_propose('nothing'::text)})->{error}{C}, '23502', 'and keeps failures');
is(app('a', 'SELECT count(*) FROM raft.failures'), 1, 'in its table');
ok( $cluster->wait_until(
		'the applied index in the table',
		sub { app('a', 'SELECT applied_index = (SELECT last_index FROM raft_state()) FROM raft.applied') eq 't' }),
	'and how far it is');
ok( app('a', q{SELECT count(*) > 0 FROM pg_logical_slot_get_binary_changes('changes', NULL, NULL,
		'proto_version', '1', 'publication_names', 'everything')}) eq 't',
	'whatever was changed can be decoded');

# --- dump and restore ---

command_ok([ 'pg_dump', '--create', '--file', $dump, '--dbname', $from->connstr('app') ], 'pg_dump works while the group runs');
command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', $dump, '--dbname', $to->connstr('postgres') ],
	'the dump can be restored where raft_pg is preloaded');
is(app('b', q{SELECT string_agg(what, ',' ORDER BY id) FROM orders}), 'apples,pears', 'with what the commands have done');
is(app('b', q{SELECT state FROM raft_state()}), 'not started', 'but without a node');
is(app('b', q{SELECT (SELECT count(*) FROM raft.node) + (SELECT count(*) FROM raft.log) + (SELECT count(*) FROM raft.peers)
	+ (SELECT count(*) FROM raft.failures) + (SELECT applied_index FROM raft.applied)}), 0, 'and without anything of its log');
$to->restart;
ok( $cluster->wait_until(
		'the mark',
		sub { app('b', q{SELECT count(*) FROM pg_shseclabel WHERE provider = 'raft_pg'}) eq '0' }),
	'a mark that came with the dump is taken away at the next start');
ok($cluster->wait_until('the state', sub { app('b', q{SELECT state FROM raft_state()}) eq 'not started' }), 'which starts nothing');
is(app('b', 'SELECT count(*) FROM raft.node'), 0, 'and makes no node');

$to->safe_psql('app', 'SELECT raft_start()');
ok(leads('b'), 'raft_start() makes it a new group');
ok(app('b', q{SELECT raft_set_apply('apply_order(bigint, bytea)')}), 'that takes an apply function');
my $error = $cluster->client('b', dbname => 'app')->query(q{SELECT raft_propose('plums'::text)})->{error} // {};
is($error->{C}, '23505', 'whose rows are numbered by the index: it begins at 1 again, and that is no secret');

done_testing();
