# Modules of the host by themselves, against models in memory (test/host): random steps, each
# run from its seed.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use RaftCluster;
use RaftStop;
use Test::More;

my $cluster = RaftCluster->new(nodes => ['a']);
my $node    = $cluster->node('a');

# The stop points' directory is what RaftStop is for; this script needs the build alone.
RaftStop->new($cluster, 'a');
$node->start;
$node->safe_psql('postgres', q{
	CREATE FUNCTION test_inbox(bigint, integer) RETURNS text STRICT LANGUAGE c AS 'raft_pg', 'raft_test_inbox'});

is($node->safe_psql('postgres', 'SELECT seed, test_inbox(seed, 5000) AS wrong FROM generate_series(1, 20) seed WHERE test_inbox(seed, 5000) IS NOT NULL LIMIT 1'),
	'', 'the inbox does what its model does');

done_testing();
