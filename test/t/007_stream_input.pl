# What arrives on a stream is believed only from members, only in the right shape; the
# rest ends that one stream, names the reason, and harms nothing.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use RaftCluster;
use RaftFrame;
use Test::More;

# Patient: a slow machine must not look like a lost leader.
my $cluster = RaftCluster->new(settings => { 'raft_pg.election_timeout' => '2s' });
my $leader  = $cluster->start;
my ($victim, $away) = $cluster->others($leader);

# One member is away, so that nobody but the test speaks in its name.
my $group = $cluster->value($leader, 'SELECT group_id FROM pg_stat_raft');
my $boot  = $cluster->value($away,   'SELECT boot_count FROM pg_stat_raft');
my %id    = map { $_ => $cluster->value($leader, "SELECT node_id FROM raft.members WHERE node = '$_'") }
  $cluster->names;
$cluster->node($away)->stop;
$leader = $cluster->wait_leader($leader, $victim);
my ($log, $incarnation) = map { $cluster->value($victim, "SELECT $_ FROM raft.peers WHERE node_id = $id{$away}") }
  qw(log_id incarnation);
my $term = $cluster->state($leader)->{term};

sub call
{
	my (%change) = @_;
	my %argument = (
		protocol    => 1,
		group       => "'$group'",
		sender      => $id{$away},
		sender_name => "'$away'",
		log         => "'$log'",
		boot        => $boot,
		incarnation => "'$incarnation'",
		former      => q('{}'),
		last        => '1000000',
		term        => '1000000',
		environment => q('encoding UTF8, locale provider "c", collate "c", ctype "c"'),
		recipient   => "'$victim'",
		%change);

	return 'CALL raft.stream('
	  . join(', ', @argument{qw(protocol group sender sender_name log boot incarnation former last term environment recipient)}) . ')';
}

# --- who may open a stream ---

my $superuser = $cluster->client($victim);
my @calls     = (
	[ 'an unknown protocol version', { protocol => 99 }, '0A000', qr/version 99/ ],
	[ 'another group', { group => q{'00000000-0000-0000-0000-000000000001'} }, '55000', qr/another Raft group/ ],
	[ 'another recipient', { recipient => "'$leader'" }, '55000', qr/another Raft node/ ],
	[ 'a stranger', { sender_name => q{'mallory'}, sender => 77 }, '42501', qr/not a member/ ],
	[ 'a number of a member under another name', { sender_name => q{'mallory'} }, '42501', qr/not a member/ ],
	[ 'a member under another number', { sender => 77 }, '42501', qr/not a member/ ],
	[ 'a member with another log', { log => $log eq '1' ? 2 : 1 }, '55000', qr/another log/ ],
	[ 'a start that does not know the last one', { incarnation => 1, former => q('{2,3}'), boot => $boot + 1 }, '55000', qr/older state/ ],
	[ 'the last start under another number', { boot => '4000000000000000000' }, '55000', qr/older state/ ],
	[ 'a later start under the same number', { incarnation => 1, former => "'{$incarnation}'" }, '55000', qr/older state/ ],
	[ 'a database of another encoding',
		{ environment => q('encoding LATIN1, locale provider "c", collate "c", ctype "c"') }, '55000', qr/is not compatible with this one/ ],
	[ 'a database of another collation',
		{ environment => q('encoding UTF8, locale provider "c", collate "de_de.utf8", ctype "c"') }, '55000', qr/is not compatible with this one/ ],
	[ 'an earlier start', { boot => $boot - 1 }, '55000', qr/older state/ ],
	[ 'a member with an unknown history', { former => q('{NULL}') }, '22004', qr/null/ ],
	[ 'the recipient itself', { sender => $id{$victim}, sender_name => "'$victim'" }, '55000', qr/own identity/ ],
	[ 'nobody', { sender_name => 'NULL' }, '22004', qr/null/ ]);

foreach my $case (@calls)
{
	my ($who, $change, $sqlstate, $message) = @$case;
	my $result = $superuser->query(call(%$change));

	is($result->{error}{C}, $sqlstate, "a stream from $who is refused");
	like($result->{error}{M}, $message, 'and the message says why');
}

# What a member says of itself is read by nobody who may look at activities.
$superuser->query('CREATE ROLE observer LOGIN REPLICATION IN ROLE pg_monitor');
my $shown = $cluster->client($victim, user => 'observer')->query(
	q{SELECT query FROM pg_stat_activity WHERE application_name LIKE 'raft_pg: % -> %'});
is_deeply([ map { $_->[0] } @{ $shown->{rows} } ], [ "Raft stream of $leader" ], 'an observer sees whose stream it is');
is($superuser->query(q{SELECT count(*) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND query LIKE 'CALL raft%'})->{rows}[0][0],
	0, 'and nobody what a member says of itself');

my $result = $superuser->query('BEGIN; ' . call());
is($result->{error}{C}, '25001', 'a stream inside a transaction block is refused');
$superuser->query('ROLLBACK');

$superuser->query($_) foreach 'CREATE ROLE guest LOGIN', 'CREATE ROLE courier LOGIN REPLICATION';
$result = $cluster->client($victim, user => 'guest')->query(call());
is($result->{error}{C}, '42501', "a role without REPLICATION may not open a stream");
my $courier = $cluster->client($victim, user => 'courier', timeout => 30);
$courier->send_query(call());
is(($courier->receive)[0], 'W', 'one with it may, without any grant');
$courier->close;
$courier = $cluster->client($victim, user => 'courier');
$result = $courier->query($_)
  and is($result->{error}{C}, '42501', "but not: $_")
  foreach 'TABLE raft.node', 'TABLE raft.peers', 'TABLE raft.resets', 'TABLE raft.log', 'TABLE raft.applied', 'TABLE raft.failures', 'TABLE raft.skips',
  'DELETE FROM raft.peers', 'SELECT raft.stat()', 'SELECT raft.member_list()', 'SELECT raft_reset_identity()';

# A lock in the way of a stream holds up this one call, and not for ever.
my $locker = $cluster->client($victim);
$locker->query($_) foreach 'BEGIN', 'CREATE TABLE holds_a_lock (node_id integer REFERENCES raft.peers)';
$result = $superuser->query(call());
is($result->{error}{C}, '55P03', 'a call that meets a lock ends after raft_pg.connect_timeout');
$locker->query('ROLLBACK');
$result = $cluster->client($victim, user => 'guest')->query("SELECT raft_propose('x'::text)");
is($result->{error}{C}, '42501', 'nor propose');
$result = $cluster->client($victim, user => 'guest')->query('SELECT * FROM raft_state()');
is($result->{error}{C}, '42501', 'nor read the state');
$superuser->query('GRANT pg_monitor TO guest');
$result = $cluster->client($victim, user => 'guest')->query('SELECT * FROM raft_state()');
ok(!$result->{error}, 'a monitor may read the state');

# --- what may be sent on it ---

sub open_stream
{
	my $client = $cluster->client($victim, application_name => 'raft_pg: test', timeout => 30);

	$client->send_query(call());
	my ($type, $body) = $client->receive;
	return ($type // '') eq 'W' ? $client : undef;
}

# The server's verdict on these bytes: an SQLSTATE, or "closed".
sub verdict
{
	my ($bytes) = @_;
	my $client = open_stream() or return 'no stream';

	$client->send_raw($bytes);
	while (my ($type, $body) = $client->receive)
	{
		return RaftClient::parse_error($body)->{C} if $type eq 'E';
	}
	return $client->{socket} ? 'no answer' : 'closed';
}

sub copy_data
{
	my ($bytes) = @_;
	return 'd' . pack('N', 4 + length $bytes) . $bytes;
}

my %right = (
	group => $group,
	from  => $id{$away},
	to    => $id{$victim},
	boot  => $boot,
	term  => $term);
my $right  = RaftFrame::frame(%right, type => RaftFrame::PREVOTE);
my $record = RaftFrame::record(index => 1, term => $term, data => 'x');

my $client = open_stream();
ok($client, 'a member may open a stream');
ok($client->send_raw(copy_data($right)), 'and send a message');
ok( $cluster->wait_until(
		'the message to be read',
		sub { $cluster->value($victim, "SELECT incoming FROM pg_stat_raft_replication WHERE node = '$away'") eq 't' }),
	'which is taken');
$client->send_message('c', '');
my ($type) = $client->receive;
is($type, 'c', 'the end of a stream is confirmed');
is(scalar @{ $client->answer->{rows} }, 0, 'and the session goes on');
is($client->value('SELECT 7'), 7, 'with queries');

my $flipped = $right;
substr($flipped, 50, 1) ^= "\x01";
my @hostile = (
	[ 'text',                      'GET / HTTP/1.1' . "\r\n" x 2 ],
	[ 'zeros',                     "\0" x 300 ],
	[ 'an unknown message type',   'z' . pack('N', 4) ],
	[ 'an empty message',          copy_data('') ],
	[ 'a length below the header', 'd' . pack('N', 2) ],
	[ 'a length of two gigabytes', 'd' . pack('N', 0x7fffffff) . 'x' x 100 ],
	[ 'a length beyond the limit', 'd' . pack('N', 64 * 1024 * 1024) . 'x' x 100 ],
	[ 'a truncated header',        copy_data(substr($right, 0, 60)) ],
	[ 'one flipped bit',           copy_data($flipped) ],
	[ 'a length field that lies',  copy_data(RaftFrame::frame(%right, length => 200)) ],
	[ 'bytes behind the frame',    copy_data($right . 'x') ],
	[ 'a frame of another version', copy_data(RaftFrame::frame(%right, version => 2)) ],
	[ 'a frame of another group',
		copy_data(RaftFrame::frame(%right, group => '00000000-0000-0000-0000-000000000001')) ],
	[ 'a frame of another sender', copy_data(RaftFrame::frame(%right, from => $id{$leader})) ],
	[ 'a frame to another node',   copy_data(RaftFrame::frame(%right, to => $id{$leader})) ],
	[ 'a frame of another boot',   copy_data(RaftFrame::frame(%right, boot => $boot + 1)) ],
	[ 'a term that no group has come to', copy_data(RaftFrame::frame(%right, term => $term + 2**32 + 1000)) ],
	[ 'an unknown kind of message', copy_data(RaftFrame::frame(%right, type => 250)) ],
	[ 'more entries promised than sent',
		copy_data(RaftFrame::frame(%right, n_entries => 3, records => $record)) ],
	[ 'an entry with a wrong checksum',
		copy_data(RaftFrame::frame(%right, n_entries => 1,
			records => RaftFrame::record(index => 1, term => $term, data => 'x', crc => 1))) ],
	[ 'an entry with a gap before it',
		copy_data(RaftFrame::frame(%right, n_entries => 1,
			records => RaftFrame::record(index => 9, term => $term, data => 'x'))) ],
	[ 'an entry of a future term',
		copy_data(RaftFrame::frame(%right, n_entries => 1,
			records => RaftFrame::record(index => 1, term => $term + 5, data => 'x'))) ],
	[ 'an entry of no kind',
		copy_data(RaftFrame::frame(%right, n_entries => 1,
			records => RaftFrame::record(index => 1, term => $term, data => 'x', kind => 0))) ],
	[ 'an entry count without end',
		copy_data(RaftFrame::frame(%right, n_entries => 0xffffffff, records => $record)) ]);

foreach my $case (@hostile)
{
	my ($what, $bytes) = @$case;
	is(verdict($bytes), '08P01', "$what ends the stream with a protocol violation");
}

# A peer that dies in the middle of a message, at every length.
my $whole = copy_data($right);
my $opened = 0;
foreach my $length (1 .. length($whole) - 1)
{
	next if $length > 12 && $length % 8;
	my $peer = open_stream() or next;
	$opened++;
	$peer->send_raw(substr($whole, 0, $length));
	$peer->close;
}
cmp_ok($opened, '>', 20, 'a stream may end in the middle of a message, and be opened again at once');

# Damaged at random, but from a seed.
srand(20240607);
my $refused = 0;
foreach (1 .. 60)
{
	my $bytes = copy_data(RaftFrame::frame(%right, n_entries => 1, records => $record));
	substr($bytes, 5 + int(rand(length($bytes) - 5)), 1) = chr(int(rand 256)) foreach 1 .. 3;
	$refused++ if verdict($bytes) eq '08P01';
}
cmp_ok($refused, '>=', 58, "of 60 messages damaged at random $refused end their stream");

# --- what became of the group ---

is($cluster->state($leader)->{role}, 'leader', 'the leader still leads');
is($cluster->state($victim)->{term}, $term, 'in the same term');
ok(!$cluster->node($victim)->log_contains('was terminated by signal|PANIC'), 'no process crashed');
$cluster->start_again($away);
ok($cluster->wait_leader, 'the member that was away returns');
ok($cluster->on_leader("SELECT raft_propose('after all that'::text)"), 'the group takes commands');
ok($cluster->wait_same_state, 'and all three hold the same');

done_testing();
