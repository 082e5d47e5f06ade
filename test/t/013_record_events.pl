# raft_pg.record_events: what three servers record, under load and with the leader killed,
# is replayed by the laboratory; what was changed in a recording is noticed; and
# nothing that goes wrong with a file disturbs the group.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Utils qw(append_to_file slurp_file);
use RaftCluster;
use RaftLoad;
use Test::More;

use constant HEADER => 132;

my @types = ('boot', 'tick', 'receive', 'propose', 'write durable', 'write failed',
	'applied', 'compacted', 'peer unreachable', 'settings');

# A small log, so that it is compacted.
my $cluster = RaftCluster->new(settings => {
		'raft_pg.record_events' => 'on',
		'raft_pg.log_size' => '1MB' });

sub newest
{
	my ($name) = @_;
	return (sort { (stat $b)[9] <=> (stat $a)[9] || -s $b <=> -s $a } $cluster->recordings($name))[0];
}

# [position, length, type] of each record (src/wire/eventlog.h).
sub records
{
	my ($bytes) = @_;
	my @records;

	for (my $at = HEADER; $at + 24 <= length $bytes;)
	{
		my ($length, $type) = unpack 'V x8 C', substr($bytes, $at, 13);
		die "no record at byte $at" if $length < 24 || !defined $types[$type];
		push @records, [ $at, $length, $types[$type] ];
		$at += $length;
	}
	return @records;
}

sub set
{
	my ($name, $setting, $value) = @_;
	my $node = $cluster->node($name);

	$node->safe_psql('postgres', "ALTER SYSTEM SET $setting = '$value'");
	$node->reload;
	return;
}

sub wait_log
{
	my ($name, $pattern) = @_;
	return $cluster->wait_until("\"$pattern\" in the log of $name",
		sub { slurp_file($cluster->node($name)->logfile) =~ $pattern });
}

# --- a group at work ---

my $leader = $cluster->start;
my $load = RaftLoad->start($cluster, clients => 4);
ok($load->wait_progress(100), 'commands are acknowledged');
ok($cluster->kill9($leader), 'the leader dies');
ok($load->wait_progress(50), 'the other two go on');
$cluster->start_again($leader);
my $second = $cluster->wait_leader;
ok($second, 'it comes back');
set($_, 'raft_pg.heartbeat_interval', '70ms') foreach $cluster->names;
$cluster->on_leader("SELECT raft_propose(repeat('x', 30000))") foreach 1 .. 40;
ok($load->wait_progress(50), 'and all go on');
my $history = $load->stop;
ok($cluster->wait_same_state, 'all three hold the same');
RaftLoad::check($cluster, $history);

# A stop writes out what is left.
$cluster->node($_)->stop foreach $cluster->names;
my @files = $cluster->recordings($cluster->names);
is(scalar @files, 4, 'one file for each start of a node');

my $output = $cluster->replay(@files);
is($?, 0, 'the replay gives the same actions and breaks no invariant') or diag($output);
like($output, qr/^4 passed, 0 failed$/m, 'of every file');

my %seen;
$seen{ $_->[2] }++ foreach map { records(slurp_file($_)) } @files;
ok($seen{$_}, ($seen{$_} // 0) . " events are \"$_\"") foreach grep { $_ ne 'write failed' } @types;

# --- the check of the check ---

my $bytes = slurp_file(($cluster->recordings($leader))[0]);
my $changed = PostgreSQL::Test::Utils::tempdir() . '/changed.events';

sub replay_changed
{
	my ($content) = @_;

	unlink $changed;
	append_to_file($changed, $content);
	return $cluster->replay($changed);
}

foreach my $place (40, HEADER + 1, HEADER + 100, int(length($bytes) / 2))
{
	my $flipped = $bytes;

	substr($flipped, $place, 1) ^= "\x10";
	like(replay_changed($flipped), qr/(damaged|not a recording).*^0 passed, 1 failed$/ms,
		"a changed byte at $place is refused");
}

my @records = records($bytes);
foreach my $type ('tick', 'receive', 'write durable', 'applied')
{
	my ($victim) = grep { $_->[2] eq $type } @records;
	my $without = $bytes;

	substr($without, $victim->[0], $victim->[1]) = '';
	like(replay_changed($without), qr/^0 passed, 1 failed$/m, "a missing \"$type\" is noticed");
}

like(replay_changed(substr($bytes, 0, length($bytes) - 5)),
	qr/ends within a step\n1 passed, 0 failed$/m, 'a torn end is no failure');

# --- what may go wrong with a file ---

# The next file of node a cannot be written.
my $next = ($cluster->recordings('a'))[-1];
$next =~ s/boot(\d+)\.events$/'boot' . ($1 + 1) . '.events'/e;
symlink '/dev/full', $next or die "$next: $!";
# That of b cannot be created; to c, all of this is forbidden.
chmod 0500, $cluster->node('b')->data_dir . '/raft_pg_events';
append_to_file($cluster->node('c')->data_dir . '/postgresql.conf', "raft_pg.record_events = off\n");

$cluster->node($_)->start foreach $cluster->names;
ok($cluster->wait_leader, 'a leader is elected');
ok(wait_log('a', qr/WARNING:  could not write to file "raft_pg_events\/.*No space left/),
	'a full disk ends the recording');
ok(wait_log('b', qr/WARNING:  could not create file "raft_pg_events\/.*Permission denied/),
	'a file that cannot be created is a warning');
is(scalar $cluster->recordings('c'), scalar grep({ index($_, $cluster->node('c')->data_dir) == 0 } @files),
	'nothing is recorded where it is off');
chmod 0700, $cluster->node('b')->data_dir . '/raft_pg_events';
unlink $next;

set('c', 'raft_pg.record_events', 'on');
ok(wait_log('c', qr/will be recorded after its next start/), 'a recording needs a start');
set($_, 'raft_pg.record_events_limit', '1MB') foreach $cluster->names;
$cluster->node('c')->safe_psql('postgres', 'SELECT raft_stop()');
$cluster->node('c')->safe_psql('postgres', 'SELECT raft_start()');
ok($cluster->wait_leader, 'node c starts again');
$cluster->on_leader("SELECT raft_propose(repeat('y', 30000))") foreach 1 .. 40;
ok(wait_log('c', qr/has reached "raft_pg.record_events_limit" \(1 MB\)/), 'the limit ends the recording');

$cluster->node('a')->restart;
ok($cluster->wait_leader, 'node a starts again');
ok($cluster->propose($cluster->wait_leader, 'z'), 'the group takes commands');
set('a', 'raft_pg.record_events', 'off');
ok(wait_log('a', qr/stopped recording events of Raft node "a"/), 'switched off while it runs');
my $size = -s newest('a');
ok($cluster->propose($cluster->wait_leader, 'z'), 'the group takes commands');
ok($cluster->wait_same_state, 'and all three hold the same');
is(-s newest('a'), $size, 'nothing more is recorded');

$output = $cluster->replay(map { newest($_) } qw(a c));
like($output, qr/^2 passed, 0 failed$/m, 'these end cleanly too') or diag($output);

done_testing();
