# Whatever ends the wait of raft_propose(): the SQLSTATE is one that promises "not applied" only
# when the command is in no log, and 08007 from the moment when the node worker may
# have it.  Every way out, at every stage of a proposal.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use RaftCluster;
use RaftStop;
use Test::More;

my $cluster = RaftCluster->new(nodes => ['a'], settings => { 'raft_pg.election_timeout' => '100ms', 'raft_pg.heartbeat_interval' => '20ms' });
$cluster->start;
my $stop = RaftStop->new($cluster, 'a');
my $serial = 0;

# The result of this command is an error; rows of "trouble" are refused by a trigger.
$cluster->value('a', $_) foreach q{ALTER TABLE commands ADD CHECK (command <> 'refused')},
  'CREATE TABLE trouble (index bigint)',
  q{CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'refused row'; END $$},
  'CREATE TRIGGER refuse AFTER INSERT ON trouble FOR EACH ROW EXECUTE FUNCTION refuse()';

# How often a command is in the state, once everything in the log is applied.
sub count_of
{
	my ($command) = @_;

	$cluster->wait_until('the group', sub { ($cluster->state('a')->{role} // '') eq 'leader' });
	# Behind this one, nothing earlier is still on its way.
	$cluster->on_leader(qq{SELECT raft_propose('after $command'::text)});
	return $cluster->value('a', "SELECT count(*) FROM commands WHERE command = '$command'");
}

sub backend_of
{
	my ($client) = @_;
	return $client->value('SELECT pg_backend_pid()');
}

# Those not named here need nothing to be done.
my %interrupt = (
	cancel    => sub { my ($pid) = @_; $cluster->value('a', "SELECT pg_cancel_backend($pid)"); },
	terminate => sub { my ($pid) = @_; $cluster->value('a', "SELECT pg_terminate_backend($pid)"); },
	stop      => sub { $cluster->value('a', 'SELECT raft_stop()'); },
	fails     => sub { $stop->set('awaiting', 'error ' . $_[0]); $cluster->value('a', "SELECT pg_reload_conf()"); },
);

# Proposes, holds the command at a stage, interrupts, and returns the answer, which comes
# while it is still held (held => 1) or after that.
sub interrupted
{
	my ($stage, $how, %options) = @_;
	my $command = "$stage $how " . ++$serial;
	my $client  = $cluster->client('a');
	my $pid     = backend_of($client);
	my $timeout = $how eq 'timeout' ? ", '1s'" : $options{patient} ? ", '0'" : '';

	$client->value('SET statement_timeout = 1000') if $how eq 'statement_timeout';
	$stop->set($stage, $options{action} // 'wait') if !$options{unstopped};
	$client->send_query("SELECT raft_propose('$command'::text$timeout)");
	$stop->wait_reached($stage) if !$options{unstopped};
	($interrupt{$how} // sub { })->($pid);
	my $answer;
	if ($options{held})
	{
		$answer = $client->answer;
		$stop->clear($stage, 'awaiting');
	}
	else
	{
		$stop->clear($stage);
		$answer = $client->answer;
		$stop->clear('awaiting');
	}
	$client->close;
	if ($how eq 'stop')
	{
		$cluster->wait_until('the end of the group',
			sub { ($cluster->value('a', 'SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE $$raft_pg %$$ AND backend_type NOT LIKE $$%launcher$$') // 1) == 0 });
		$cluster->start_groups('a');
	}
	$answer->{command} = $command;
	return $answer;
}

# The SQLSTATE ("none" for success), and how often the command is in the state (a pattern).
sub outcome_is
{
	my ($answer, $sqlstate, $count, $name) = @_;

	like($answer->{error}{C} // 'none', qr/^(?:$sqlstate)$/, "$name: $sqlstate")
	  or diag(explain($answer));
	like(count_of($answer->{command}), qr/^$count$/, "$name: $count times in the state");
	return;
}

# --- in the queue: withdrawn, and what is said is certain ---

outcome_is(interrupted('take', 'cancel', held => 1), '57014', 0, 'a cancel of a queued command');
outcome_is(interrupted('take', 'statement_timeout', held => 1), '57014', 0, 'statement_timeout of a queued command');
outcome_is(interrupted('take', 'timeout', held => 1), '57P03', 0, 'timeout of a queued command');
outcome_is(interrupted('take', 'fails', held => 1), 'XX000', 0, 'an ERROR in the wait for a queued command');
outcome_is(interrupted('take', 'terminate', held => 1), '57P01', 0, 'termination with a queued command');

# --- with the node worker, or in the log ---

foreach my $stage (qw(taken placed))
{
	outcome_is(interrupted($stage, 'cancel', held => 1), '08007', 1, "a cancel of a $stage command");
	outcome_is(interrupted($stage, 'statement_timeout', held => 1), '08007', 1, "statement_timeout of a $stage command");
	outcome_is(interrupted($stage, 'timeout', held => 1), '08007', 1, "timeout of a $stage command");
	outcome_is(interrupted($stage, 'fails', held => 1), '08007', 1, "an ERROR in the wait for a $stage command");
	outcome_is(interrupted($stage, 'terminate', held => 1), '08007', 1, "termination with a $stage command");
	outcome_is(interrupted($stage, 'stop'), '08007', '[01]', "raft_stop() with a $stage command");
	outcome_is(interrupted($stage, 'none', action => 'error'), '08007', '[01]', "an ERROR of the node worker with a $stage command");
	outcome_is(interrupted($stage, 'none', action => 'fatal'), '08007', '[01]', "the end of the node worker with a $stage command");
}

# --- applied, the proposer not yet told ---

outcome_is(interrupted('applied', 'cancel', held => 1), '08007', 1, 'a cancel of an applied command');
outcome_is(interrupted('applied', 'stop'), '08007|none', 1, 'raft_stop() with an applied command');

# --- answered, the statement not yet at its end ---

my $answer = interrupted('answered', 'cancel');
outcome_is($answer, '08007', 1, 'a cancel of a command with its answer');
like($answer->{error}{D}, qr/index \d+/, 'the error says where it is');

# --- applied, and an error of the applier comes before it tells ---

foreach my $stage (qw(committed applied))
{
	$answer = interrupted($stage, 'none', action => 'error', patient => 1);
	outcome_is($answer, '08007', 1, "an ERROR of the applier with a $stage command");
	like($answer->{error}{D} // '', qr/^It was applied at index \d+/, 'and the proposer hears that it is applied');
}

# --- committed, and the applier cannot go on ---

$cluster->value('a', 'ALTER FUNCTION apply_command RENAME TO hidden');
$answer = interrupted('none', 'timeout', unstopped => 1);
$cluster->value('a', 'ALTER FUNCTION hidden RENAME TO apply_command');
outcome_is($answer, '08007', 1, 'a command that the applier cannot apply for now');
like($answer->{error}{D} // '', qr/^It is committed at index \d+ .* cannot go on: .*apply_command/, 'the detail says why');
unlike(join(' ', values %{ $answer->{error} }), qr/will be applied/, 'and promises nothing');

# --- a statement that fails after it has proposed something ---

# The commands of a statement with %s for each, and the SQLSTATE that it fails with.
sub fails_behind
{
	my ($name, $statement, $sqlstate, %options) = @_;
	my @commands = map { "behind $_ " . ++$serial } 1 .. $statement =~ s/%s/%s/g;
	my $client   = $cluster->client('a');
	my $pid      = backend_of($client);

	$client->send_query(sprintf $statement, @commands);
	($options{meanwhile} // sub { })->($pid);
	my $result = $client->answer;
	$client->close;
	outcome_is({ %$result, command => $_ }, '08007', 1, "$name ($_)") foreach @commands;
	like($result->{error}{D} // '', qr/index \d+.*$sqlstate/s, "$name: the detail has the index and the error");
	return;
}

fails_behind('NULL in a later row', q{SELECT raft_propose(c) FROM (VALUES ('%s'::text), ('%s'), (NULL)) v(c)}, '22004: command must not be null');
fails_behind('a later row that is too large', q{SELECT raft_propose(c) FROM (VALUES ('%s'::text), (repeat('y', 2000000))) v(c)}, 54000);
fails_behind('a division by zero', q{SELECT raft_propose('%s'::text), 1 / (random() * 0)::int}, 22012);
fails_behind('an error in a DO block', q{DO $$ BEGIN PERFORM raft_propose('%s'::text); RAISE 'no'; END $$}, 'P0001: no');
fails_behind('an error behind raft_propose_async()', q{SELECT raft_propose_async('%s'::text), 1 / (random() * 0)::int}, 22012);
fails_behind('a trigger', q{INSERT INTO trouble SELECT raft_propose('%s'::text)}, 'P0001: refused row');
fails_behind('the error of a second command', q{SELECT raft_propose('%s'::text), raft_propose('refused'::text)}, '23514: .*committed at index');

$stop->set('answered', 'wait');
fails_behind('a second command that nobody takes', q{SELECT raft_propose('%s'::text), raft_propose('never'::text, '1s')}, '57P03: .*was not appended',
	meanwhile => sub {
		my ($pid) = @_;
		$stop->wait_reached('answered');
		$stop->set('take', 'wait');
		$stop->clear('answered');
		# It is on its way to the log, then its time passes.
		$cluster->wait_until('57P03', sub { !$cluster->value('a', "SELECT count(*) FROM pg_stat_activity WHERE pid = $pid AND state = 'active'") });
		$stop->clear('take');
	});
is(count_of('never'), 0, 'which is in no log');

fails_behind('termination', q{SELECT raft_propose('%s'::text), pg_sleep(600)}, '',
	meanwhile => sub {
		my ($pid) = @_;
		$cluster->wait_until('pg_sleep()', sub { $cluster->value('a', "SELECT wait_event = 'PgSleep' FROM pg_stat_activity WHERE pid = $pid") eq 't' });
		$cluster->value('a', "SELECT pg_terminate_backend($pid)");
	});

# --- what is an answer stays one ---

foreach my $statement (q{SELECT raft_propose('refused'::text)}, q{DO $$ BEGIN PERFORM raft_propose('refused'::text); END $$})
{
	my $client = $cluster->client('a');
	is($client->query($statement)->{error}{C}, '23514', "the command's own error: $statement");
	is($client->query('SELECT 1 / (random() * 0)::int')->{error}{C}, '22012', 'and the next statement has nothing to do with it');
	$client->close;
}

done_testing();
