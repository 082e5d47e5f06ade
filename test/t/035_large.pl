# Commands of the largest size that the settings allow, from several clients, while other
# processes use up the processors: the leader keeps its leadership.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use RaftCluster;
use Test::More;

my $cluster = RaftCluster->new(
	settings => {
		'raft_pg.election_timeout'   => '600ms',
		'raft_pg.heartbeat_interval' => '100ms',
		'raft_pg.inbox_size'         => '8MB',
		'raft_pg.ring_size'          => '16MB',
		'raft_pg.max_command_size'   => '1MB'
	});
my $leader = $cluster->start;
my $term   = $cluster->state($leader)->{term};
my ($result, $stdout, $stderr) = $cluster->node($leader)->psql('postgres',
	q{ALTER SYSTEM SET raft_pg.max_command_size = '2MB'});
isnt($result, 0, 'no larger command can be allowed');

my $parent = $$;
my @burners;
foreach (1 .. 2)
{
	my $pid = fork // die "fork: $!";
	if ($pid == 0)
	{
		1 while getppid == $parent;
		POSIX::_exit(0);
	}
	push @burners, $pid;
}

my @clients = map { $cluster->client($leader) } 1 .. 4;
my $refused = 0;
foreach my $round (1 .. 8)
{
	$_->send_query(q{SELECT raft_propose(convert_to(repeat('0123456789abcdef', 65536), 'UTF8'))}) foreach @clients;
	foreach my $client (@clients)
	{
		my $answer = $client->answer;
		$refused++ if $answer->{error} || $answer->{lost};
		diag(explain($answer->{error})) if $answer->{error};
	}
}
kill 'KILL', @burners;
waitpid $_, 0 foreach @burners;

is($refused, 0, 'all commands are applied');
is($cluster->wait_leader, $leader, 'under the same leader');
is($cluster->state($leader)->{term}, $term, 'in one term');
ok($cluster->wait_same_state, 'all three hold the same');

done_testing();
