# Every way from one state of a group to another is gone here: the rows of the table in
# src/group/life.c, as the server log names them.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Utils;
use RaftCluster;
use RaftStop;
use Test::More;

my $cluster = RaftCluster->new(nodes => ['a']);
my $node    = $cluster->node('a');
my $seen    = 0;                                   # how far the log has been looked at
my (%gone, %way);

# The table: "from, event" to the way's number.
my $rows = PostgreSQL::Test::Utils::slurp_file("$FindBin::RealBin/../../src/group/life.c");
my $ways = 0;
$way{"$1 $2"} = ++$ways while $rows =~ /\{RAFT_GROUP_(\w+), RAFT_LIFE_(\w+), RAFT_GROUP_\w+, "/g;
cmp_ok($ways, '>', 10, "the table has $ways ways");

# Waits until the group of this database goes it; what the log said before counts no more.
sub take
{
	my ($from, $event, $oid) = @_;
	my $number = $way{"$from $event"} // die "no way from $from by $event";

	return $gone{$number} = ok(
		$cluster->wait_until(
			"way $number",
			sub {
				my $log = PostgreSQL::Test::Utils::slurp_file($node->logfile, $seen);
				return 0 if $log !~ /group of database $oid: way $number,/g;
				$seen += pos $log;
				return 1;
			}),
		"$from: $event");
}

$cluster->start_servers;
my $stop = RaftStop->new($cluster, 'a');
$node->safe_psql('postgres', 'CREATE DATABASE one');
$node->safe_psql('one',      'CREATE EXTENSION raft_pg');
my $one = $node->safe_psql('postgres', q{SELECT oid FROM pg_database WHERE datname = 'one'});

sub start_one { $node->safe_psql('one', 'SELECT raft_start()'); return; }
sub stop_one  { $node->safe_psql('one', 'SELECT raft_stop()');  return; }

# A drop of the extension that is not yet decided; the database's connection.
sub drop_one
{
	my $client = $cluster->client('a', dbname => 'one');

	$client->query('BEGIN');
	my $result = $client->query('DROP EXTENSION raft_pg CASCADE');
	ok(!$result->{error}, 'the extension is being dropped') or diag($result->{error}{M});
	return $client;
}

sub roll_back
{
	my ($client) = @_;
	$client->query('ROLLBACK');
	$client->close;
	return;
}

# A DROP DATABASE that fails, as somebody is connected there; who calls raft_start() meanwhile.
sub drop_in_vain
{
	my ($from) = @_;
	my $starter = $cluster->client('a', dbname => 'one');
	my $dropper = $cluster->client('a');

	$starter->query('BEGIN');
	$starter->query('SELECT raft_start()');
	$dropper->send_query('DROP DATABASE one');
	take($from, 'STOP', $one);
	$starter->query('COMMIT');
	take('STOPPING', 'START', $one);
	like($dropper->answer->{error}{M} // '', qr/is being accessed by other users/, 'the drop of the database fails');
	$_->close foreach $starter, $dropper;
	return;
}

start_one();
take('FREE',     'START',      $one);
take('STARTING', 'NODE_READY', $one);

# --- stopped and started before the workers have ended ---

$stop->set('turn', 'wait');
$node->reload;
$stop->wait_reached('turn');
stop_one();
take('RUNNING', 'STOP', $one);
start_one();
take('STOPPING', 'START', $one);
stop_one();
take('RESTARTING', 'STOP', $one);
start_one();
$stop->clear('turn');
take('RESTARTING', 'WORKERS_GONE', $one);
take('STARTING',   'NODE_READY',   $one);

# --- the node worker ends by an error that another start may mend ---

$stop->set('turn', 'error');
$node->reload;
$stop->wait_reached('turn');
$stop->clear('turn');
take('RUNNING', 'NODE_ENDED', $one);
start_one();                                       # at once
take('STARTING', 'NODE_READY', $one);

# --- drops that are taken back ---

my $client = drop_one();
roll_back($client);
take('STOPPING', 'DROP_UNDONE', $one);
take('STARTING', 'NODE_READY',  $one);

drop_in_vain('RUNNING');
take('RESTARTING', 'DROP_UNDONE', $one);
take('STARTING',   'NODE_READY',  $one);

# --- damage ---

$stop->set('turn', 'damage');
$node->reload;
take('RUNNING', 'GAVE_UP', $one);
$stop->clear('turn');
$client = drop_one();
take('FAILED', 'STOP', $one);
roll_back($client);
take('STOPPING', 'DROP_OF_FAILED_UNDONE', $one);
is($cluster->value('a', 'SELECT state FROM raft_state()', dbname => 'one'), 'failed', 'a failed group stays so');

drop_in_vain('FAILED');
take('RESTARTING', 'DROP_OF_FAILED_UNDONE', $one);
take('STARTING',   'NODE_READY',            $one);

$stop->set('turn', 'damage');
$node->reload;
take('RUNNING', 'GAVE_UP', $one);
$stop->clear('turn');
$stop->set('opening', 'damage');
start_one();
take('FAILED',   'START',   $one);
take('STARTING', 'GAVE_UP', $one);
$stop->clear('opening');

# --- stopped while it starts ---

stop_one();
take('STOPPING', 'WORKERS_GONE', $one);
$stop->set('opening', 'wait');
start_one();
$stop->wait_reached('opening');
stop_one();
take('STARTING', 'STOP', $one);
$stop->clear('opening');
take('STOPPING', 'WORKERS_GONE', $one);

is(join(' ', sort { $a <=> $b } keys %gone), join(' ', 1 .. $ways), 'every way was gone');

done_testing();
