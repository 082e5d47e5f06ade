# A stream whose peer has gone, at whatever point, ends without a word to it: nothing is
# written to a socket that is closed, also not by a session that asks for every message.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Utils;
use RaftCluster;
use RaftFrame;
use Socket;
use Test::More;

my $cluster = RaftCluster->new(
	nodes    => [qw(a b)],
	settings => { 'listen_addresses' => '127.0.0.1', 'log_line_prefix' => '%m [%p] %e %a: ' });
$cluster->start;
my $node = $cluster->node('a');

# The other member is away, and the test speaks in its name.
my $group = $cluster->value('a', 'SELECT group_id FROM pg_stat_raft');
my %id    = map { $_ => $cluster->value('a', "SELECT node_id FROM raft.members WHERE node = '$_'") } qw(a b);
my $boot  = $cluster->value('b', 'SELECT boot_count FROM pg_stat_raft');
$cluster->node('b')->stop;
my ($log, $incarnation) = map { $cluster->value('a', "SELECT $_ FROM raft.peers WHERE node_id = $id{b}") } qw(log_id incarnation);
my $call = qq{CALL raft.stream(1, '$group', $id{b}, 'b', '$log', $boot, '$incarnation', '{}', 1000000, 1000000,
	'encoding UTF8, locale provider "c", collate "c", ctype "c"', 'a')};
my $frame = RaftFrame::frame(group => $group, from => $id{b}, to => $id{a}, boot => $boot,
	term => $cluster->state('a')->{term}, type => RaftFrame::PREVOTE);
my $message = 'd' . pack('N', 4 + length $frame) . $frame;

# A connection by TCP that asks for every message there is.
sub connected
{
	return $cluster->client('a', tcp => 1, application_name => 'raft_pg: test', timeout => 60,
		options => '-c client_min_messages=debug5');
}

sub streaming
{
	my $client = connected() or return;
	$client->send_query($call);
	my ($type) = $client->receive;
	return ($type // '') eq 'W' ? $client : undef;
}

# At once: what was sent and not yet read over there is thrown away, too.
sub reset_connection
{
	my ($client) = @_;
	setsockopt($client->{socket}, SOL_SOCKET, SO_LINGER, pack('ii', 1, 0)) or die "setsockopt: $!";
	$client->close;
	return;
}

sub part_of_a_frame { return substr($message, 0, 1 + $_[0] * 17 % (length($message) - 1)) }

my %points = (
	'as soon as it has asked' => sub { my $client = connected() or return 0; $client->send_query($call); return $client; },
	'before its first frame'  => sub { return streaming(); },
	'within a frame'          => sub { my $client = streaming() or return 0; $client->send_raw(part_of_a_frame($_[0])); return $client; },
	'behind a frame'          => sub { my $client = streaming() or return 0; $client->send_raw($message); return $client; },
	'in good order'           => sub { my $client = streaming() or return 0; $client->send_message('X', ''); return $client; });
my %ways = ('is closed' => sub { $_[0]->close }, 'is reset' => \&reset_connection);

my $from = -s $node->logfile;
foreach my $point (sort keys %points)
{
	foreach my $way (sort keys %ways)
	{
		my $dropped = 0;
		foreach my $round (1 .. 8)
		{
			my $client = $points{$point}->($round) or next;
			$ways{$way}->($client);
			$dropped++;
		}
		is($dropped, 8, "a connection $way $point, again and again");
	}
}

# Before one that stands still can see that its client has gone, another takes its place.
sub streams { return $cluster->value('a', q{SELECT string_agg(pid::text, ' ') FROM pg_stat_activity WHERE application_name = 'raft_pg: test'}) // ''; }
ok($cluster->wait_until('the streams to end', sub { streams() eq '' }), 'the streams end');
foreach my $way (sort keys %ways)
{
	my $client = streaming();
	my $pid = streams();
	kill 'STOP', $pid;
	$ways{$way}->($client);
	my $newer = connected();
	$newer->send_query($call);
	ok( $cluster->wait_until('the newer stream to wait',
			sub { ($cluster->value('a', qq{SELECT count(*) FROM pg_stat_activity WHERE application_name = 'raft_pg: test'
				AND pid <> $pid AND wait_event_type = 'Extension'}) // 0) == 1 }),
		'another stream asks for the place of one that stands still');
	kill 'CONT', $pid;
	is(($newer->receive)[0], 'W', "and gets it, when the connection of the first $way");
	$newer->close;
}

ok( $cluster->wait_until('the streams to end',
		sub { ($cluster->value('a', q{SELECT count(*) FROM pg_stat_activity WHERE application_name = 'raft_pg: test'}) // 1) == 0 }),
	'all of them end');

my @said = split /\n/, slurp_file($node->logfile, $from);
cmp_ok(scalar(grep { /the stream of Raft node "b"|could not receive data of Raft node "b"/ } @said),
	'>=', 32, 'the log tells of those that broke');
foreach my $wrong (qr/Bad file descriptor/, qr/ XX\d\d\d /, qr/PANIC|was terminated by signal/)
{
	my @wrong = grep { /$wrong/ } @said;
	is(scalar @wrong, 0, "and has nothing like $wrong") or diag(join "\n", @wrong[0 .. ($#wrong > 5 ? 5 : $#wrong)]);
}

# What a session says while it cannot know yet that its client has gone (the answer to a call,
# the end of a stream that was replaced, here also what it notes) meets an open socket of its own.
cmp_ok(scalar(grep { /was replaced by a newer one/ } @said), '>=', 2, 'those that were replaced are told so');
my @written = grep { /could not send data to client/ } @said;
is(scalar(grep { !/ 08\d\d\d .*(?:Broken pipe|reset by peer)/ } @written), 0, 'nothing is written to a socket that the server itself has closed')
  or diag(join "\n", @written);

$cluster->start_again('b');
ok($cluster->wait_leader, 'the member returns');
ok($cluster->on_leader(q{SELECT raft_propose('after all that'::text)}), 'and the group takes commands');

done_testing();
