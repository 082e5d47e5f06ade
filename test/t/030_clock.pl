# The wall clock is set back by an hour: what waits with a timeout does not wait an hour
# longer, and the group does not notice.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use RaftClock;
use RaftCluster;
use Test::More;

my $clock   = RaftClock->new;
my $cluster = RaftCluster->new;
$clock->run(sub { $cluster->start_servers });
$cluster->create_state;
$cluster->start_groups;
my $leader = $cluster->wait_leader;
$cluster->set_apply;
my $index = $cluster->propose($leader, 'before');
my $before = $cluster->value($leader, q{SELECT clock_timestamp()});

# --- nothing waits longer ---

# Sends a query, sets the clock back once it waits, and returns its answer.
sub answer_with_clock_set_back
{
	my ($name, $query) = @_;
	my $client = $cluster->client($name, application_name => 'waits');

	$client->send_query($query);
	$cluster->wait_until(
		"\"$query\" to wait",
		sub { $cluster->value($name, q{SELECT count(*) FROM pg_stat_activity
			WHERE application_name = 'waits' AND state = 'active' AND wait_event_type = 'Extension'}) });
	$clock->set(-3600);
	my $answer = $client->answer;
	$clock->set(0);
	$client->close;
	return $answer;
}

$clock->set(-3600);
ok($cluster->value($leader, "SELECT clock_timestamp() < '$before'"), 'the servers believe the clock');
$clock->set(0);

is(answer_with_clock_set_back($leader, q{SELECT raft_wait(1000000000, NULL, '3s')})->{rows}[0][0],
	'f', 'raft_wait() ends with its timeout');

my ($follower, $other) = $cluster->others($leader);
$clock->set(-3600);
$index = $cluster->propose($leader, 'an hour earlier');
ok($cluster->wait_applied($index), 'a command proposed an hour earlier is applied everywhere');
$clock->set(0);

$cluster->node($_)->stop('immediate') foreach $other, $leader;
ok( $cluster->wait_until('the leader to be missed', sub { !$cluster->state($follower)->{leader} }),
	'one node is left alone');
is(answer_with_clock_set_back($follower, q{SELECT raft_propose('in vain'::text, '3s')})->{error}{C},
	'57P03', 'raft_propose() ends with its timeout');

$clock->run(sub { $cluster->start_again($leader, $other) });
ok($cluster->wait_leader,     'the group comes together again');
ok($cluster->wait_same_state, 'and holds the same');

done_testing();
