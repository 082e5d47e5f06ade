# Elections among three servers: one leader, a new one when it dies, none without a
# majority.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use RaftCluster;
use Test::More;

# Patient: a slow machine must not look like a lost leader.
my $cluster = RaftCluster->new(settings => { 'raft_pg.election_timeout' => '1s' });
my $leader  = $cluster->start;
ok($leader, 'three servers elect a leader');

my $term = $cluster->state($leader)->{term};
cmp_ok($term, '>=', 1, 'in a term of its own');
foreach my $name ($cluster->names)
{
	is($cluster->value($name, 'SELECT raft_leader()'), $leader, "$name knows the leader");
	is($cluster->value($name, 'SELECT raft_is_leader()'),
		$name eq $leader ? 't' : 'f', "$name knows whether it leads");
}

# Pre-vote (§9.6 of the dissertation): who was away asks before it disturbs.
my ($away) = $cluster->others($leader);
ok($cluster->kill9($away), 'a follower dies');
$cluster->start_again($away);
is($cluster->wait_leader, $leader, 'it returns to the same leader');
is($cluster->state($away)->{term}, $term, 'and to the same term');

# A connection breaks, and its node is well: its followers do not forget it.  Slow heartbeats
# leave a slow machine the time to send one before two are missing.
my %slow = ('heartbeat_interval' => '500ms', 'election_timeout' => '5s');
foreach my $name ($cluster->names)
{
	$cluster->value($name, "ALTER SYSTEM SET raft_pg.$_ = '$slow{$_}'") foreach sort keys %slow;
	$cluster->value($name, 'SELECT pg_reload_conf()');
}
my $ended = 0;
for my $round (1 .. 5)
{
	$cluster->wait_until('both streams to the leader',
		sub {
			$cluster->value($leader,
				'SELECT count(*) FROM pg_stat_raft_replication WHERE incoming') == 2;
		});
	$ended += $cluster->value($leader,
		"SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE query LIKE 'Raft stream of %'");
}
is($ended, 10, 'the streams to the leader are ended five times');
is($cluster->state($leader)->{term}, $term, 'ending the streams to the leader does not depose it');
foreach my $name ($cluster->names)
{
	$cluster->value($name, "ALTER SYSTEM RESET raft_pg.$_") foreach sort keys %slow;
	$cluster->value($name, 'SELECT pg_reload_conf()');
}

ok($cluster->kill9($leader), 'the leader dies');
my @left = $cluster->others($leader);
my $next = $cluster->wait_leader(@left);
ok($next, 'the others elect another');
cmp_ok($cluster->state($next)->{term}, '>', $term, 'in a higher term');
$cluster->start_again($leader);
ok($cluster->wait_leader, 'the old leader returns and all agree on one');
is($cluster->state($leader)->{role}, 'follower', 'it follows');

# Check-quorum: a leader alone must not go on believing in itself.
$leader = $cluster->wait_leader;
ok($cluster->kill9($cluster->others($leader)), 'both followers die');
ok( $cluster->wait_until(
		'the lone leader to step down',
		sub { ($cluster->state($leader)->{role} // 'leader') ne 'leader' }),
	'a leader without a majority steps down');
ok(!$cluster->state($leader)->{has_quorum}, 'and says that it has no quorum');

$cluster->start_again(($cluster->others($leader))[0]);
ok($cluster->wait_leader($leader, ($cluster->others($leader))[0]), 'two of three elect one');
$cluster->start_again(($cluster->others($leader))[1]);
ok($cluster->wait_leader, 'and the third joins them');
ok($cluster->wait_same_state, 'all hold the same in the end');

done_testing();
