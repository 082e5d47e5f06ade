# A server with an older library meets an entry of a kind that it does not know: its applier
# stops there and says so, skips nothing, and the node votes and replicates as before.  Once
# the library knows the kind, it goes on and holds what the others hold.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use RaftCluster;
use RaftStop;
use Test::More;

my $cluster = RaftCluster->new(settings => { 'raft_pg.election_timeout' => '1s' });
my $leader  = $cluster->start;
my ($old, $third) = $cluster->others($leader);

$cluster->wait_same_state;

# The older library is played by one that does not know the kind of raft_set_apply().
my $stop = RaftStop->new($cluster, $old);
$stop->set('set_apply_unknown', 'mutant');

ok($cluster->on_leader(q{SELECT raft_propose('before'::text)}), 'a command of a known kind');
ok($cluster->on_leader(q{SELECT raft_set_apply('public.apply_command(bigint, bytea)'::regprocedure)}),
	'and an entry of a kind that one server does not know');
my $at = $cluster->value($leader, q{SELECT max(index) FROM raft.log WHERE kind = 'set-apply'});
$cluster->on_leader(qq{SELECT raft_propose('behind $_'::text)}) foreach 1 .. 3;

my $message = "entry $at is of kind 4, which this version of raft_pg does not know";
ok( $cluster->wait_until('the applier to stop',
		sub { ($cluster->value($old, 'SELECT apply_error_index FROM pg_stat_raft') // 0) == $at }),
	'its applier stops there');
is($cluster->value($old, 'SELECT apply_error FROM pg_stat_raft'), $message, 'and the view says why');
ok($cluster->node($old)->log_contains('HINT:  Update the raft_pg library on this server and restart it.'),
	'the log says what to do');
is($cluster->value($old, 'SELECT applied_index FROM pg_stat_raft'), $at - 1, 'nothing behind it is applied');
is($cluster->value($old, q{SELECT count(*) FROM commands WHERE command = 'before'}), 1, 'everything before it is');
my $error = $cluster->client($old)->query("SELECT raft_skip($at)")->{error} // {};
ok($error->{C}, 'it is not skipped');

# Two of three: without its vote and its log nothing would be agreed.
$cluster->node($leader)->stop('immediate');
ok($cluster->wait_leader($old, $third), 'it votes');
my $behind;
ok( $cluster->wait_until('a proposal',
		sub { $behind = $cluster->value($cluster->wait_leader($old, $third), q{SELECT index FROM raft_propose_async('behind it'::text)}) }),
	'and takes part in deciding');
ok( $cluster->wait_until('the entry to be committed',
		sub { ($cluster->value($old, 'SELECT commit_index FROM pg_stat_raft') // 0) >= $behind }),
	'and replicates');
is($cluster->value($old, "SELECT kind FROM raft.log WHERE index = $behind"), 'command', 'and serves its log');
is($cluster->value($old, 'SELECT applied_index FROM pg_stat_raft'), $at - 1, 'still without applying anything');

# The library is updated: the server has to be restarted for it.
$stop->clear('set_apply_unknown');
$cluster->node($old)->restart;
$cluster->start_again($leader);
ok($cluster->wait_same_state, 'once its library knows the kind, it holds what the others hold');
is($cluster->value($old, 'SELECT apply_error FROM pg_stat_raft'), undef, 'and the error is gone');

done_testing();
