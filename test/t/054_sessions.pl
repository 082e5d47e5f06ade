# Who waits in Raft sees for what, on every version of PostgreSQL: a leader, a place in the
# log, a quorum or the applier.  So does pg_stat_activity from 17 on.  And who has waited in
# vain is told which it was.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use RaftCluster;
use Test::More;

my $cluster = RaftCluster->new;
my $leader  = $cluster->start;
my @others  = $cluster->others($leader);

sub set_election_timeout
{
	my ($timeout) = @_;

	foreach my $node (map { $cluster->node($_) } $cluster->names)
	{
		$node->safe_psql('postgres', "ALTER SYSTEM SET raft_pg.election_timeout = '$timeout'");
		$node->reload;
	}
	return;
}

sub worker
{
	my ($name) = @_;
	return $cluster->value($name, q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'raft_pg node'});
}

# A session that runs a statement without waiting for the answer.
sub waiter
{
	my ($name, $sql) = @_;
	my $client = $cluster->client($name);
	my $pid    = $client->value('SELECT pg_backend_pid()');

	$client->send_query($sql);
	return ($client, $pid);
}

sub wait_row
{
	my ($name, $pid, $condition, $event, $what) = @_;

	ok( $cluster->wait_until($what,
			sub { ($cluster->value($name, "SELECT $condition FROM pg_stat_raft_sessions WHERE pid = $pid") // '') eq 't' }),
		$what);
  SKIP:
	{
		skip 'before PostgreSQL 17, extensions have one wait event for all', 1 if $cluster->node($name)->pg_version < 17;
		ok( $cluster->wait_until("$event in pg_stat_activity",
				sub {
					($cluster->value($name, "SELECT wait_event_type || ' ' || wait_event FROM pg_stat_activity WHERE pid = $pid") // '')
					  eq "Extension $event";
				}),
			"$event in pg_stat_activity");
	}
	return;
}

# Nobody loses patience with a process that is stopped for a while.
my $term = $cluster->state($leader)->{term};
set_election_timeout('60s');
my %worker = map { $_ => worker($_) } $cluster->names;
is($cluster->value($leader, 'SELECT count(*) FROM pg_stat_raft_sessions'), 0, 'nobody waits');

# --- the applier ---

my $holder = $cluster->client($leader);
$holder->query($_) foreach 'BEGIN', 'LOCK TABLE commands';
my ($client, $pid) = waiter($leader, "SELECT raft_propose('for the applier'::text)");
wait_row($leader, $pid, "waiting_for = 'applier' AND index IS NOT NULL AND term = $term AND since < now()", 'RaftProposalApplier',
	'a proposer waits for the applier');
my ($reader, $reader_pid) = waiter($leader, 'SELECT raft_wait((SELECT last_index FROM raft_state()))');
wait_row($leader, $reader_pid, "waiting_for = 'applier' AND index IS NOT NULL", 'RaftApplied', 'and so does one that waits for the entry');
$holder->query('COMMIT');
ok(!$client->answer->{error}, 'until it is applied');
ok(!$reader->answer->{error}, 'for both');

# --- a quorum ---

kill 'STOP', $worker{$_} foreach @others;
($client, $pid) = waiter($leader, "SELECT raft_propose('for a quorum'::text)");
wait_row($leader, $pid, "waiting_for = 'quorum' AND index IS NOT NULL AND term = $term", 'RaftProposalQuorum', 'a proposer waits for a quorum');
kill 'CONT', $worker{$_} foreach @others;
ok(!$client->answer->{error}, 'until there is one');

# --- a place in the log ---

kill 'STOP', $worker{$leader};
($client, $pid) = waiter($leader, "SELECT raft_propose('for a place'::text)");
wait_row($leader, $pid, "waiting_for = 'place' AND index IS NULL", 'RaftProposalPlace', 'a proposer waits for a place in the log');
my $error = $cluster->client($leader)->query(q{SELECT raft_propose('in vain'::text, '200 ms')})->{error};
is($error->{C}, '57P03', 'one that has waited in vain may try again');
like($error->{M}, qr/node worker of this server did not take the command/, 'and is told that it is this server');
like($error->{D}, qr/not appended.*PID $worker{$leader}/, 'and which process');
kill 'CONT', $worker{$leader};
ok(!$client->answer->{error}, 'the other gets its place');

# --- a leader ---

set_election_timeout('400ms');
$cluster->node($_)->stop foreach @others;
ok($cluster->wait_until('the end of the leadership', sub { $cluster->state($leader)->{role} ne 'leader' }),
	'the others are away: nobody leads');
($client, $pid) = waiter($leader, "SELECT raft_propose('for a leader'::text, '1 h')");
wait_row($leader, $pid, "waiting_for = 'leader'", 'RaftLeader', 'a proposer waits for a leader');
$error = $cluster->client($leader)->query(q{SELECT raft_propose('in vain'::text, '200 ms')})->{error};
is($error->{C}, '57P03', 'one that has waited in vain may try again');
like($error->{M}, qr/no leader took the command/, 'and is told that there is no leader');
like($error->{D}, qr/Node "$_": \S+/, "and why $_ is not there") foreach @others;
$cluster->value($leader, "SELECT pg_terminate_backend($pid)");
ok($cluster->wait_until('the end of the session', sub { $cluster->value($leader, 'SELECT count(*) FROM pg_stat_raft_sessions') eq '0' }),
	'a session that is terminated waits no more');

done_testing();
