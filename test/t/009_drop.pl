# DROP EXTENSION and DROP DATABASE while the workers run, and their rollback.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use RaftCluster;
use Test::More;

my $cluster = RaftCluster->new;
my $leader  = $cluster->start;
my ($follower, $third) = $cluster->others($leader);
my $workers = "SELECT count(*) FROM pg_stat_activity WHERE backend_type ILIKE 'raft%' AND datname = ";

# --- a drop that is taken back ---

my $client = $cluster->client($follower);
$client->query('BEGIN');
ok(!$client->query('DROP EXTENSION raft_pg CASCADE')->{error}, 'DROP EXTENSION works while the workers run');
ok(!$client->query('ROLLBACK')->{error}, 'and is rolled back');
ok($cluster->on_leader("SELECT raft_propose('after the rollback'::text)"), 'the group takes commands');
ok($cluster->wait_same_state, 'on all three');

# --- a drop for good ---

ok(!$client->query('DROP EXTENSION raft_pg CASCADE')->{error}, 'DROP EXTENSION on one server');
$client->close;
ok($cluster->wait_until('its workers to end', sub { ($cluster->value($follower, "$workers 'postgres'") // 1) == 0 }),
	'its workers end');
ok($cluster->wait_leader($leader, $third), 'the others go on');
ok($cluster->on_leader("SELECT raft_propose('without the third'::text)", $leader, $third), 'and take commands');

# --- a database with a group ---

my $node = $cluster->node($third);
$node->safe_psql('postgres', 'CREATE DATABASE other');
$node->safe_psql('other', 'CREATE EXTENSION raft_pg');
$node->safe_psql('other', 'SELECT raft_start()');
ok( $cluster->wait_until(
		'a group of one in another database',
		sub { ($cluster->value($third, 'SELECT role FROM raft_state()', dbname => 'other') // '') eq 'leader' }),
	'a second database runs a group of its own');
ok($cluster->value($third, "SELECT raft_propose('x'::text)", dbname => 'other'), 'which takes commands');
my $out = $node->psql('postgres', 'DROP DATABASE other', on_error_die => 0);
is($out, 0, 'DROP DATABASE works while its workers run');
is($cluster->value($third, "SELECT count(*) FROM pg_database WHERE datname = 'other'"), 0, 'it is gone');
$node->restart;
ok($cluster->wait_leader($leader, $third), 'the first group lives through all of it');
ok($cluster->wait_same_state($leader, $third), 'unharmed');

done_testing();
