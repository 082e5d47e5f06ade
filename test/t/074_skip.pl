# A command that can be applied nowhere, for a reason that counts as the server's, stops the
# applier of every node.  raft_skip() is the group's decision that no node executes it:
# each goes on, also one that was away or was killed meanwhile, and nothing else is
# lost or applied twice.  A command that some node has executed is not skipped; and a node that
# has executed it all the same, while nobody could ask, stops and says so.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use RaftCluster;
use RaftStop;
use Test::More;

my $cluster = RaftCluster->new;
my $leader  = $cluster->start;
my @members = $cluster->names;
my ($other, $third) = $cluster->others($leader);
my $stop = { map { $_ => RaftStop->new($cluster, $_) } @members };

# "local" cannot be applied where the table "trouble" has a row.
$cluster->node($_)->safe_psql(
	'postgres', q{
	CREATE TABLE trouble ();
	CREATE FUNCTION deeper(int) RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN public.deeper($1 + 1); END';
	CREATE OR REPLACE FUNCTION apply_command(bigint, bytea) RETURNS void LANGUAGE plpgsql AS $$
	BEGIN
		INSERT INTO public.commands VALUES ($1, $2);
		IF $2 = 'deep' THEN
			PERFORM public.deeper(0);
		ELSIF $2 = 'large' THEN
			RAISE internal_error USING MESSAGE = 'invalid memory alloc request size 1073741824';
		ELSIF $2 = 'endless' THEN
			PERFORM pg_sleep(1e9);
		ELSIF $2 = 'local' AND EXISTS (SELECT FROM public.trouble) THEN
			RAISE out_of_memory;
		ELSIF $2 = 'fails' THEN
			RAISE EXCEPTION 'its own fault';
		END IF;
	END $$;
	CREATE ROLE app LOGIN;
	GRANT EXECUTE ON FUNCTION raft_skip(bigint, boolean, interval) TO app;
}) foreach @members;

sub stuck_at
{
	my ($name) = @_;
	return $cluster->value($name, 'SELECT apply_error_index FROM pg_stat_raft') // 0;
}

sub wait_stuck
{
	my ($index, @names) = @_;
	return ok($cluster->wait_until("entry $index to stop @names", sub { !grep { stuck_at($_) != $index } @names }),
		"entry $index stops @names");
}

sub error_of { my ($name, $sql, %options) = @_; return $cluster->client($name, %options)->query($sql)->{error} // {} }

sub async { my ($command) = @_; return $cluster->value($leader, "SELECT index FROM raft_propose_async('$command'::text)"); }

# index, SQLSTATE and message of the failures from this index on, the same on all of these nodes
sub failures
{
	my ($from, @names) = @_;
	my %seen = map { ($cluster->value($_, qq{SELECT string_agg(concat_ws(' ', index, number, sqlstate, message), '; ' ORDER BY index)
		FROM raft.failures WHERE index >= $from}) // '') => 1 } @names;
	return join ' | ', keys %seen;
}

sub skips
{
	my %seen = map { ($cluster->value($_, q{SELECT string_agg(concat_ws(' ', index, decided_at, executed), '; ' ORDER BY index)
		FROM raft.skips}) // '') => 1 } @_;
	return join ' | ', keys %seen;
}

sub count_of { my ($name, $command) = @_; return $cluster->value($name, "SELECT count(*) FROM commands WHERE command = '$command'") // -1; }

# --- a command, in the middle of others, that nobody can apply ---

my $client = $cluster->client($leader);
$stop->{$_}->set('no_retry', 'mutant') foreach @members;
$client->send_query(q{SELECT raft_propose('deep'::text, '0')});
ok( $cluster->wait_until('the appliers to stop',
		sub { my $at = stuck_at($leader); $at && !grep { stuck_at($_) != $at } @members }),
	'a command stops every applier');
my $poison = stuck_at($leader);
my $after  = async('after it');
async('fails');
my $last = async('at last');

my $error = error_of($leader, "SELECT raft_skip($poison)", user => 'app');
is($error->{C}, '42501', 'it is skipped by superusers, whatever was granted');
$error = error_of($other, "SELECT raft_skip($poison)");
is($error->{C}, '25006', 'on the leader');
is($error->{D}, qq{The leader is node "$leader".}, 'which is named');
$error = error_of($leader, "SELECT raft_skip($last + 1000)");
is("$error->{C} $error->{M}", '55000 entry ' . ($last + 1000) . ' is not committed', 'not what is not committed');
$error = error_of($leader, 'SELECT raft_skip(' . ($poison - 1) . ')');
is("$error->{C} $error->{M}", '55000 entry ' . ($poison - 1) . ' is applied already', 'nor what is applied');
$error = error_of($leader, "SELECT raft_skip($after)");
is("$error->{C} $error->{D}", "55000 It is stuck at entry $poison.", 'nor what has not been tried');
$error = error_of($leader, "BEGIN; SELECT raft_skip($poison)");
is($error->{C}, '25001', 'nor in a transaction block');

# nobody tries again by himself here: it is the decision that wakes the appliers
my $decided = $cluster->value($leader, "SELECT raft_skip($poison)") // 0;
cmp_ok($decided, '>', $last, 'the decision is an entry behind them all');
my $answer = $client->answer;
is($answer->{error}{C}, '57000', 'whoever proposed the command is told that it was skipped');
is($answer->{error}{M}, "the command was skipped by the decision of the group at index $decided", 'by which entry');
$stop->{$_}->clear('no_retry') foreach @members;
ok($cluster->wait_same_state, 'all go on, at once, and hold the same');
my ($fails) = $last - 1;
is( failures($poison, @members),
	"$poison 1 57000 the command was skipped by the decision of the group at index $decided; $fails 2 P0001 its own fault",
	'it is a failure in the same words everywhere; another one keeps its own');
is(skips(@members), "$poison $decided f", 'and every node knows by which entry');
is(count_of($leader, 'deep'), 0, 'it has no effects');
is(count_of($leader, $_), 1, "\"$_\" is applied once") foreach 'after it', 'at last';
is($cluster->value($leader, "SELECT kind || ' ' || convert_from(command, 'UTF8') FROM raft.log WHERE index = $decided"),
	"skip $poison", 'the log shows the decision');
is($cluster->value($leader, 'SELECT apply_error FROM pg_stat_raft'), undef, 'and the error is gone');

# --- a command that never ends ---

# only while it executes the command: a cancel of its pause between two attempts prolongs that
sub cancel_applier
{
	$cluster->value($_, q{SELECT pg_cancel_backend(pid) FROM pg_stat_activity
		WHERE backend_type = 'raft_pg applier' AND wait_event = 'PgSleep'}) foreach @_;
	return;
}

my $endless = async('endless');
ok( $cluster->wait_until('the appliers to be busy',
		sub { !grep { ($cluster->value($_, q{SELECT wait_event FROM pg_stat_activity WHERE backend_type = 'raft_pg applier'}) // '') ne 'PgSleep' } @members }),
	'a command never ends');
cancel_applier($leader);
wait_stuck($endless, $leader);
$client = $cluster->client($leader);
$client->send_query("SELECT raft_skip($endless)");
ok($cluster->wait_until('the decision', sub { ($cluster->value($leader, "SELECT count(*) FROM raft.log WHERE kind = 'skip'") // 0) == 2 }),
	'the group decides to skip it');
ok( $cluster->wait_until('the appliers to be canceled',
		sub { cancel_applier(@members); !grep { ($cluster->state($_)->{applied_index} // 0) <= $endless } @members }),
	'canceled, no applier begins it again');
ok(!$client->answer->{error}, 'and whoever has skipped it is told');

# --- one member is down meanwhile, another is killed ---

ok($cluster->kill9($third), 'a member goes away');
$poison = async('large');
async('after that');
wait_stuck($poison, $leader, $other);
ok($cluster->kill9($other), 'another one, stuck, is killed');
$cluster->start_again($other);
$leader = $cluster->wait_leader($leader, $other);
($other) = $cluster->others($leader, $third);
wait_stuck($poison, $leader, $other);

$error = error_of($leader, "SELECT raft_skip($poison)");
is($error->{C}, '55000', 'a member that cannot be asked may have executed it');
is($error->{M}, qq{node "$third" does not say whether it has applied entry $poison}, 'so the command is not skipped');
$decided = $cluster->value($leader, "SELECT raft_skip($poison, force => true)");
ok($decided, 'unless somebody wants it all the same');
ok($cluster->wait_same_state($leader, $other), 'those that are up go on');
ok($cluster->kill9($other), 'one of them is killed again');
$cluster->start_again($third, $other);
ok($cluster->wait_same_state, 'and all hold the same when they are back');
is(failures($poison, @members), "$poison 4 57000 the command was skipped by the decision of the group at index $decided",
	'with the same failure');
is(count_of($third, 'after that'), 1, 'what came after it is applied once');

# --- a command that one member can apply ---

$leader = $cluster->wait_leader;
($other, $third) = $cluster->others($leader);
$cluster->node($_)->safe_psql('postgres', 'INSERT INTO trouble DEFAULT VALUES') foreach $leader, $other;
$poison = async('local');
wait_stuck($poison, $leader, $other);
ok($cluster->wait_applied($poison, $third), 'a member has applied what stops the others');
foreach my $force ('false', 'true')
{
	$error = error_of($leader, "SELECT raft_skip($poison, force => $force)");
	is("$error->{C} $error->{M}", qq{55000 node "$third" has applied entry $poison already}, "it is not skipped (force => $force)");
}

# while nobody can ask it
$cluster->node($third)->stop;
$decided = $cluster->value($leader, "SELECT raft_skip($poison, force => true)");
ok($decided, 'that member is down, and somebody wants it skipped all the same');
ok($cluster->wait_same_state($leader, $other), 'the others go on');
$cluster->node($third)->start;
wait_stuck($decided, $third);
like($cluster->state($third)->{error}, qr/entry $decided skips the command at index $poison, which this node has executed/,
	'the member that has executed it stops at the decision, and says why');
$error = error_of($third, "SELECT raft_skip_undone($poison)", user => 'app');
is($error->{C}, '42501', 'only a superuser vouches');
$error = error_of($third, 'SELECT raft_skip_undone(' . ($poison + 1) . ')');
is($error->{C}, '55000', 'for what has stopped it');
$cluster->node($third)->safe_psql('postgres',
	"BEGIN; DELETE FROM commands WHERE index = $poison; SELECT raft_skip_undone($poison); COMMIT");
ok($cluster->wait_same_state, 'its effects are taken back by hand: all hold the same');
is($cluster->value($third, "SELECT executed FROM raft.skips WHERE index = $poison"), 't', 'the node remembers');
is($cluster->value($leader, "SELECT executed FROM raft.skips WHERE index = $poison"), 'f', 'what it was like elsewhere');

done_testing();
