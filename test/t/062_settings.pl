# Settings: what contradicts itself is taken as something that works, with a warning; shared
# memory is what README says; a group that the settings have no room for fails with the
# reason; fsync = off is warned of.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Utils;
use RaftCluster;
use Test::More;

my $cluster = RaftCluster->new(
	nodes    => ['a'],
	settings => {
		'raft_pg.inbox_size'       => '512kB',
		'raft_pg.ring_size'        => '2MB',
		'raft_pg.max_command_size' => '1MB',
		'raft_pg.max_members'      => 3,
		'raft_pg.max_groups'       => 4,
		'fsync'                    => 'off'
	});
my $node = $cluster->node('a');
$cluster->start_servers;
$cluster->create_state;

# --- sizes ---

like(slurp_file($node->logfile), qr/WARNING:  "raft_pg.max_command_size" \(1024 kB\) is lowered to \d+ kB/,
	'a size that the others have no room for is taken as the largest that they have');
$node->safe_psql('postgres', 'SELECT raft_start()');
ok($cluster->wait_until('the group', sub { ($cluster->state('a')->{role} // '') eq 'leader' }), 'the group runs');
ok($cluster->value('a', q{SELECT raft_propose(repeat('x', 150 * 1024))}), 'a command of that size');
is($cluster->client('a')->query(q{SELECT raft_propose(repeat('x', 1024 * 1024))})->{error}{C}, '54000', 'a larger one is refused');
like(slurp_file($node->logfile), qr/WARNING: .*Raft node "node1" is running with fsync off/, 'fsync = off is warned of');

my $bytes = $cluster->value('a', q{SELECT allocated_size FROM pg_shmem_allocations WHERE name = 'raft_pg'});
my $rings = 4 * (2048 + 3 * 512) * 1024;
cmp_ok($bytes, '>', $rings, 'shared memory has the rings and inboxes');
cmp_ok($bytes, '<', $rings + 4 * 2 * 1024 * 1024, 'and less than 2 MB a group besides');

# --- members ---

$node->safe_psql('postgres', 'DROP EXTENSION raft_pg');
$node->safe_psql('postgres', 'CREATE EXTENSION raft_pg');
my %members = map { $_ => 'host=' . $node->host . " port=1 dbname=$_" } qw(a b c d);
my $json = sub { '{' . join(', ', map { qq{"$_": "$members{$_}"} } @_) . '}' };
my $error = $cluster->client('a')->query(q{SELECT raft_start('a', '} . $json->(qw(a b c d)) . q{')})->{error};
is($error->{C}, '53400', 'more members than the server is set up for are refused');
like($error->{H}, qr/raft_pg.max_members/, 'with the setting in the hint');
$node->safe_psql('postgres', q{SELECT raft_start('a', '} . $json->(qw(a b c)) . q{')});
ok($cluster->wait_until('the start', sub { ($cluster->state('a')->{state} // '') eq 'running' }), 'three are welcome');
$node->append_conf('postgresql.conf', 'raft_pg.max_members = 2');
$node->restart;
ok($cluster->wait_until('the failure', sub { ($cluster->state('a')->{state} // '') eq 'failed' }), 'with places for two the group fails');
like($cluster->state('a')->{error}, qr/has 3 members, but this server allows only 2/, 'and says why');
$node->append_conf('postgresql.conf', 'raft_pg.max_members = 3');
$node->restart;
ok($cluster->wait_until('the start', sub { ($cluster->state('a')->{state} // '') eq 'running' }), 'with three it runs again');

done_testing();
