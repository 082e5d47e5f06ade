# Without shared_preload_libraries there is no shared memory: a clear error that says what
# to do, and no crash.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use RaftCluster;
use Test::More;

my $cluster = RaftCluster->new(nodes => ['a'], settings => { shared_preload_libraries => '' });
$cluster->start_servers;

my $client = $cluster->client('a');
my $result = $client->query('CREATE EXTENSION raft_pg');
ok(!$result->{error}, 'the extension can be created, so that a dump can be restored');

foreach my $call (
	'SELECT raft_start()',
	q{SELECT raft_start('a', '{"a": "host=/tmp"}')},
	q{SELECT raft_propose('x'::text)},
	q{SELECT * FROM raft_propose_async('x'::text)},
	'SELECT * FROM raft_state()',
	'SELECT raft_is_leader()')
{
	$result = $client->query($call);
	is($result->{error}{C}, '55000', "$call: refused");
	like($result->{error}{H} // '', qr/shared_preload_libraries/, 'with the setting in the hint');
}
ok($client->query('SELECT * FROM raft.log')->{rows}, 'the table of the log exists');
ok(!$client->query('DROP EXTENSION raft_pg')->{error}, 'the extension can be dropped');

# The other way round: a library without the extension does no harm.
$cluster->node('a')->append_conf('postgresql.conf', "shared_preload_libraries = 'raft_pg'");
$cluster->node('a')->restart;
is($cluster->value('a', 'SELECT 1'), 1, 'a server that only preloads the library works');

done_testing();
