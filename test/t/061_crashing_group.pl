# A group that crashes the server again and again is started after growing pauses, so that
# the server with its other databases stays up for longer and longer; raft_start() starts it at
# once.  A server that was killed from outside starts its groups at once.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use RaftCluster;
use Test::More;

my $cluster = RaftCluster->new(nodes => ['a']);
my $node    = $cluster->node('a');
$cluster->start_servers;
$cluster->create_state;
$node->safe_psql('postgres', 'SELECT raft_start()');

sub worker { return $cluster->value('a', q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'raft_pg node'}) // 0; }
sub error  { return $cluster->state('a')->{error} // ''; }

# Kills the node worker soon after its start, as a bug in it would, and waits for the server
# to be there again.
sub crash
{
	my $pid = $cluster->wait_until('the node worker', \&worker) or return 0;
	my $backend = $cluster->client('a');

	kill 'KILL', $pid;
	# the crash takes every backend with it
	$cluster->wait_until('the crash', sub { $backend->query('SELECT 1')->{lost} });
	return $cluster->wait_until('the server', sub { $cluster->value('a', 'SELECT 1') });
}

foreach my $round (1 .. 2)
{
	ok(crash(), "crash $round");
	ok($cluster->wait_until('the group', sub { ($cluster->state('a')->{role} // '') eq 'leader' }),
		'a crash now and then may have any cause: the group is started at once');
}

my @pauses;
foreach my $round (3 .. 4)
{
	ok(crash(), "crash $round");
	ok($cluster->wait_until('the pause', sub { error() =~ /the server has crashed $round times.*pause of (\d+) s/ && push @pauses, $1 }),
		'from the third in a row on there is a pause, and raft_state() tells of it');
	is(worker(), 0, 'in which no worker runs');
	is($cluster->state('a')->{state}, 'starting', 'the group is about to start');
}
cmp_ok($pauses[1], '>', $pauses[0], 'the pauses grow');
like(PostgreSQL::Test::Utils::slurp_file($node->logfile),
	qr/WARNING: .*delaying the start of the Raft group of database "postgres" by $pauses[1] s/, 'the server log tells of it, too');

# --- somebody has looked after it ---

ok(crash(), 'crash 5, after the pause has passed');
$cluster->wait_until('the pause', sub { error() =~ /crashed 5 times/ });
is(worker(), 0, 'the longest pause so far');
$node->safe_psql('postgres', 'SELECT raft_start()');
ok($cluster->wait_until('the group', sub { ($cluster->state('a')->{role} // '') eq 'leader' }, timeout => 15),
	'raft_start() ends it');
is(error(), '', 'and nothing is told of it any more');
ok(crash(), 'a crash after that');
ok($cluster->wait_until('the group', sub { ($cluster->state('a')->{role} // '') eq 'leader' }), 'counts from one again');

# --- not the group's doing ---

foreach my $round (1 .. 4)
{
	$cluster->kill9('a');
	$cluster->start_again('a');
	$cluster->wait_until('the worker', \&worker);
}
ok($cluster->wait_until('the group', sub { ($cluster->state('a')->{role} // '') eq 'leader' }),
	'a server that was killed from outside starts its group');
unlike(error(), qr/crashed/, 'without a pause');
ok($cluster->propose('a', 'after all of that'), 'the group takes commands');

done_testing();
