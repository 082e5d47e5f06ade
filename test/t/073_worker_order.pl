# What the host's processes owe the algorithm, in an order of events that stop points force:
# messages that wait come before a deadline that has passed, what is sent is what the log
# holds, and what is applied is committed.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use RaftCluster;
use RaftStop;
use Test::More;

my $cluster = RaftCluster->new(proxy => 1);
my $leader  = $cluster->start;
my ($held, $other) = $cluster->others($leader);
my %stop = map { $_ => RaftStop->new($cluster, $_) } $cluster->names;

# --- a deadline has passed, and the leader's messages wait ---

$cluster->wait_same_state;

my $followed = follows($held);
$stop{$held}->set('turn', 'wait');
$stop{$held}->wait_reached('turn');
my $sent = sent_to($held);
# 80 ms apart: more than the longest election timeout, which is twice 400 ms
$cluster->wait_until('heartbeats', sub { sent_to($held) > $sent + 20 });
$stop{$held}->clear('turn');
$cluster->propose($leader, 'after the hold');
$cluster->wait_applied($cluster->state($leader)->{last_index}, $held);
is(follows($held), $followed, 'a node that was held follows its leader as before');

# --- a leader that is cut off ---

# It stays one, and so does the entry behind the last of the others.
set_timeout('100s', $leader);
pass_turn($leader, 'turn');
$cluster->wait_until('replication', sub { replicating($leader) == 2 });
$cluster->proxy->cut([$leader], [ $held, $other ]);
my $first = $cluster->value($leader, q{SELECT index FROM raft_propose_async('lost 1'::text)});
my $next  = $cluster->wait_leader($held, $other);
$cluster->wait_until('their commit', sub { commit_is_last($held) && commit_is_last($other) });
set_timeout('100s', $held, $other);
my $last = $cluster->state($next)->{last_index};
for my $i ($first + 1 .. $last + 1)
{
	$cluster->value($leader, qq{SELECT index FROM raft_propose_async('lost $i'::text)});
}
is($cluster->state($leader)->{last_index}, $last + 1, 'the leader that was cut off has one entry more than the others');

pass_turn($leader, 'applier_turn');
is($cluster->value($leader, q{SELECT count(*) FROM commands WHERE convert_from(command, 'UTF8') LIKE 'lost%'}),
	0, 'what is not committed is not applied');

# --- it is back, and leads again ---

$cluster->proxy->heal_all;
$cluster->wait_until('its tail to be cut off', sub {
	my $state = $cluster->state($leader);
	($state->{last_index} // 0) == $last && ($state->{leader} // '') eq $next });
set_timeout('400ms', $leader);

# The other follower knows of no leader and is in no hurry: its worker makes no turn until theirs is gone.
my ($follower) = $cluster->others($leader, $next);
$stop{$follower}->set('turn', 'fatal');
$stop{$follower}->wait_reached('turn');
$cluster->node($next)->stop('fast');
$stop{$follower}->clear('turn');
is($cluster->wait_leader($leader, $follower), $leader, 'who was cut off leads again');
$cluster->wait_until('its first entry', sub { broken($follower) || ($cluster->state($leader)->{commit_index} // 0) > $last });
is(broken($follower), 0, 'the first entry that it sends is the one of its log');
$cluster->node($next)->start;
ok($cluster->on_leader(q{SELECT raft_propose('the end'::text)}), 'the group goes on');
ok($cluster->wait_same_state, 'all nodes hold the same');

done_testing();

sub log_of
{
	my ($name) = @_;
	return PostgreSQL::Test::Utils::slurp_file($cluster->node($name)->logfile);
}

sub set_timeout
{
	my ($timeout, @names) = @_;

	foreach my $name (@names)
	{
		$cluster->value($name, "ALTER SYSTEM SET raft_pg.election_timeout = '$timeout'");
		$cluster->value($name, 'SELECT pg_reload_conf()');
	}
	return;
}

# Until the node worker or the applier has made a turn that began after this call.
sub pass_turn
{
	my ($name, $point) = @_;

	# the second stop comes when the turn that the first one held is over
	foreach my $begin (1 .. 2)
	{
		$stop{$name}->set($point, 'wait');
		$cluster->value($name, 'SELECT pg_reload_conf()');
		$stop{$name}->wait_reached($point);
		$stop{$name}->clear($point);
	}
	return;
}

sub follows
{
	my ($name) = @_;
	return scalar(() = log_of($name) =~ /LOG:  Raft node "$name" follows node/gi);
}

sub sent_to
{
	my ($name) = @_;
	return $cluster->value($leader, "SELECT sent_messages FROM pg_stat_raft_replication WHERE node = '$name'") // 0;
}

sub replicating
{
	my ($name) = @_;
	return $cluster->value($name, q{SELECT count(*) FROM pg_stat_raft_replication WHERE progress = 'replicate'}) // 0;
}

# Entries of an older term than the one before them are no message.
sub broken
{
	my ($name) = @_;
	return scalar(() = log_of($name) =~ /invalid message on the stream/g);
}

sub commit_is_last
{
	my ($name) = @_;
	my $state = $cluster->state($name);
	return ($state->{commit_index} // -1) == ($state->{last_index} // -2);
}
