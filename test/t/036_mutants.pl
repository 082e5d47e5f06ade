# An old bug of the host that no order of events shows, only a disk: put back here, and found.
# The others are put back by "make mutants": see test/mutants.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use RaftCluster;
use RaftDisk;
use RaftStop;
use Test::More;

my $cluster = RaftCluster->new(nodes => ['a']);
my $disk    = RaftDisk->new($cluster);
$disk->start_servers;
$cluster->create_state;
$cluster->start_groups;
$cluster->wait_leader;
$cluster->set_apply;
my $stop = RaftStop->new($cluster, 'a');

# --- durable reported before the flush ---

# A killed postmaster lets the worker finish its turn, and the kernel keeps what was not
# synced: only a disk that stands still tells.
my $client = $cluster->client('a');
$stop->set('DURABLE_BEFORE_FLUSH', 'mutant');
$disk->stop('a');
$client->send_query("SELECT raft_propose('not on disk'::text, '10 s')");
ok( $cluster->wait_until(
		'the mutant to be found',
		sub {
			PostgreSQL::Test::Utils::slurp_file($cluster->node('a')->logfile) =~
			  /FATAL:  the Raft log would be taken for durable up to WAL position/;
		}),
	'durable reported before the flush: the worker ends before it acknowledges');
is($client->answer->{error}{C}, '08007', 'nothing was acknowledged');
$stop->clear('DURABLE_BEFORE_FLUSH');
$disk->go_on('a');
ok($cluster->on_leader(q{SELECT raft_propose('on disk'::text)}), 'without the mutant the group goes on');

done_testing();
