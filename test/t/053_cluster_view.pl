# raft_cluster, asked on any node: every member as it is at this moment, and for those that
# cannot be asked, why not.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use RaftCluster;
use Test::More;

my $cluster = RaftCluster->new(settings => { 'raft_pg.connect_timeout' => '4s' });
my $leader  = $cluster->start;
my ($away, $other) = $cluster->others($leader);

# Rows of the view by name, as this node sees them.
sub view
{
	my ($name) = @_;
	my $json = $cluster->value($name, q{SELECT json_object_agg(node, c)::text FROM raft_cluster c}, timeout => 60);
	return defined $json ? JSON::PP::decode_json($json) : {};
}

sub wait_view
{
	my ($name, $what, $condition) = @_;
	my $view;
	my $met = $cluster->wait_until($what, sub { $view = view($name); $condition->($view) });
	ok($met, $what) or diag(JSON::PP->new->canonical->encode($view));
	return $view;
}

ok($cluster->wait_same_state, 'all three hold the same');
foreach my $name ($cluster->names)
{
	my $view = wait_view($name, "asked on $name, all is well",
		sub { my ($v) = @_; !grep { ($v->{$_}{lag} // 1) != 0 || ($v->{$_}{leader} // '') ne $leader } $cluster->names });
	is(join(' ', map { $view->{$_}{role} } $cluster->names),
		join(' ', map { $_ eq $leader ? 'leader' : 'follower' } $cluster->names), 'with one leader');
	is(join(' ', sort keys %{ { map { $view->{$_}{version} => 1, $view->{$_}{term} => 1 } $cluster->names } }),
		join(' ', sort $view->{$leader}{version}, $view->{$leader}{term}), 'one version and one term');
	is(scalar(grep { $_->{reachable} && $_->{state} eq 'running' && !defined $_->{reason} && $_->{has_quorum} } values %$view),
		3, 'all reachable, running, without a reason for anything else');
	is(scalar(grep { $_->{match_index} == $view->{$leader}{commit_index} } values %$view), 3, 'and the same match');
}

# --- stopped by raft_stop() ---

$cluster->node($away)->safe_psql('postgres', 'SELECT raft_stop()');
ok($cluster->propose($leader, 'while it is stopped'), 'a member is stopped');
my $view = wait_view($other, 'another says how far it lags', sub { ($_[0]{$away}{lag} // 0) == 1 });
is("$view->{$away}{state} $view->{$away}{reachable}", 'stopped 1', 'and that it was stopped on purpose');
is($view->{$away}{role}, undef, 'so that it has no role');
isnt($view->{$away}{lag_time}, undef, 'its lag is given as a time, too');
$view = view($away);
is("$view->{$leader}{role} $view->{$leader}{state} $view->{$away}{state}", 'leader running stopped',
	'it can itself be asked about the others');
$cluster->node($away)->safe_psql('postgres', 'SELECT raft_start()');
ok($cluster->wait_same_state, 'it is started again');

# --- a node worker that stands still ---

my $worker = $cluster->value($away, q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'raft_pg node'});
kill 'STOP', $worker;
$view = wait_view($leader, 'a node worker stands still: its state is stale', sub { ($_[0]{$away}{state} // '') eq 'stale' });
like($view->{$away}{reason}, qr/stands still/, 'and the reason says so');
kill 'CONT', $worker;
ok($cluster->wait_leader, 'it goes on');
$leader = $cluster->wait_leader;
($away, $other) = $cluster->others($leader);

# --- a server that stands still: it accepts connections, and says nothing ---

$cluster->pause($away);
my $client = $cluster->client($leader);
my $pid    = $client->value('SELECT pg_backend_pid()');
my $open   = sub { scalar grep { !m{^/} } map { readlink($_) // '' } glob "/proc/$pid/fd/*" };    # sockets, not files
my $before = $open->();
$client->query(q{SET statement_timeout = '500ms'});
is($client->query('SELECT * FROM raft_cluster')->{error}{C}, '57014', 'the wait for a member can be cancelled') foreach 1 .. 3;
is($open->(), $before, 'and leaves no connection behind');
$view = view($other);
is("$view->{$away}{state} $view->{$away}{reachable}", 'unreachable 0', 'a paused server is unreachable');
like($view->{$away}{reason}, qr/no answer within raft_pg.connect_timeout/, 'as it did not answer in time');
is($view->{$leader}{role}, 'leader', 'while the others have been asked at the same time');
$cluster->resume($away);
ok($cluster->wait_leader, 'it goes on');
$leader = $cluster->wait_leader;
($away, $other) = $cluster->others($leader);

# --- a server that is down ---

$cluster->node($away)->stop;
ok($cluster->propose($leader, 'while it is down'), 'a server is down');
$view = wait_view($other, 'what it lacks is told by the leader', sub { ($_[0]{$away}{lag} // 0) == 1 });
is("$view->{$away}{state} $view->{$away}{reachable}", 'unreachable 0', 'it is unreachable');
like($view->{$away}{reason}, qr/connect/, 'and the reason is that of the connection');
$cluster->node($away)->start;
ok($cluster->wait_same_state, 'it is back');

# --- a member that is refused ---

$cluster->node($away)->safe_psql('postgres', "$_ EXTENSION raft_pg") foreach qw(DROP CREATE);
$cluster->start_groups($away);
$view = wait_view($other, 'a member has lost its log: the reason says who refuses it',
	sub { ($_[0]{$away}{reason} // '') =~ /node "$leader" refuses this node: / });
is("$view->{$away}{state} " . ($view->{$away}{has_quorum} ? 1 : 0), 'running 0', 'it runs, and has no quorum');

done_testing();
