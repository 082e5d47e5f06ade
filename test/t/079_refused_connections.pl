# A server that lets nobody in says so in its log each time it is asked: PostgreSQL itself does,
# before raft_pg has a say.  So a node asks once a minute or so while the reason is one that
# somebody has to change, and more often when it passes by itself.  Its own log has a line
# when that begins and one when it ends.
#
# The node looks at the time of its next attempt in vain here, and dials at once (a stop
# point): what it would have waited for is in the view.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Utils;
use RaftCluster;
use RaftStop;
use Test::More;

use constant ATTEMPTS => 16;

my $cluster = RaftCluster->new(
	nodes    => [qw(a b)],
	settings => { 'log_min_messages' => 'warning', 'log_line_prefix' => '%m [%p] %e %u: ' });
my ($dialler, $refusing) = map { $cluster->node($_) } qw(a b);
my $passfile = PostgreSQL::Test::Utils::tempdir() . '/passfile';
append_to_file($passfile, "*:*:*:*:wrong\n");
chmod 0600, $passfile;

# The members come as a role of their own, which can be refused.
(my $members = $cluster->members) =~ s/user=\w+/user=raft passfile=$passfile/g;
$cluster->start_servers;
$cluster->create_state;
$cluster->node($_)->safe_psql('postgres', qq{CREATE ROLE raft LOGIN REPLICATION PASSWORD 'right'; SELECT raft_start('$_', '$members')}) foreach qw(a b);
ok($cluster->wait_leader, 'two nodes elect a leader');
my $stop = RaftStop->new($cluster, 'a');
my $hba  = slurp_file($refusing->data_dir . '/pg_hba.conf');

sub set_hba
{
	my ($first) = @_;
	open my $file, '>', $refusing->data_dir . '/pg_hba.conf' or die "pg_hba.conf: $!";
	print $file "$first\n$hba";
	close $file;
	$refusing->reload;
	return;
}

sub link_to_b { return $cluster->value('a', "SELECT $_[0] FROM pg_stat_raft_replication WHERE node = 'b'") // '' }

sub lines
{
	my ($node, $from, $pattern) = @_;
	return grep { /$pattern/ } split /\n/, slurp_file($node->logfile, $from);
}

# Seconds between each failed attempt and the next one planned, in order; and what was said.
sub planned
{
	my ($sqlstate) = @_;
	my %from = (a => -s $dialler->logfile, b => -s $refusing->logfile);
	my (@waits, %seen);

	$stop->set('impatient', 'mutant');
	$refusing->safe_psql('postgres', q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'raft_pg: a -> b'});
	my $client = $cluster->client('a');
	my $enough = $cluster->wait_until(
		"attempts refused with $sqlstate",
		sub {
			my $attempts = lines($refusing, $from{b}, " $sqlstate raft: FATAL: ");
			my $row = $client->query(q{SELECT last_error_time, extract(epoch FROM next_attempt - last_error_time)
				FROM pg_stat_raft_replication WHERE node = 'b' AND refused_since IS NOT NULL AND next_attempt IS NOT NULL})->{rows}[0];
			return 0 if !$row || $seen{ $row->[0] }++;
			push @waits, $row->[1];
			return $attempts >= ATTEMPTS;
		});
	$client->close;
	ok($enough, "$sqlstate: the other server's log has a line for each attempt");
	return (\@waits, \%from);
}

sub goes_on
{
	my ($sqlstate, $from) = @_;

	# A reload is what an operator does who does not want to wait.
	$stop->clear('impatient');
	$dialler->reload;
	ok($cluster->wait_until('the stream', sub { link_to_b('link') eq 'streaming' }), "$sqlstate: once it is let in, the node has its stream");
	is(link_to_b('next_attempt IS NULL'), 't', 'and plans no attempt');
	ok($cluster->wait_until('the end of the trouble', sub { lines($dialler, $from->{a}, 'stream to Raft node "b" is open') == 1 }),
		'its own log has one line for the end');
	my @begin = lines($dialler, $from->{a}, 'could not open stream to Raft node "b"');
	is(scalar @begin, 1, 'and one for the beginning') or diag(join "\n", @begin);
	unlike($begin[0] // '', qr/$sqlstate|\.c:\d/, 'which is in plain words');
	return;
}

my @lasting = (
	[ '28000', sub { set_hba('local all raft reject') }, sub { set_hba('') }, 'pg_hba.conf rejects connection' ],
	[ '28P01', sub { set_hba('local all raft scram-sha-256') }, sub { set_hba('') }, 'password authentication failed' ],
	[ '42501', sub { $refusing->safe_psql('postgres', 'REVOKE CONNECT ON DATABASE postgres FROM PUBLIC') },
		sub { $refusing->safe_psql('postgres', 'GRANT CONNECT ON DATABASE postgres TO PUBLIC') }, 'permission denied for database' ]);
foreach my $case (@lasting)
{
	my ($sqlstate, $break, $mend, $reason) = @$case;

	$break->();
	ok($cluster->wait_until('the refusal', sub { !$cluster->client('b', user => 'raft') }), "$sqlstate: the role is let in no more");
	my ($waits, $from) = planned($sqlstate);
	like(link_to_b('last_error'), qr/FATAL: $reason/, 'the view tells the reason');
	cmp_ok($waits->[-1], '>=', 19.9, 'the next attempt would be far ahead');
	cmp_ok($waits->[-1], '<=', 60.1, 'but within a minute');
	$mend->();
	goes_on($sqlstate, $from);
}

# What passes by itself: connections are taken, or the server is about to start.
$refusing->safe_psql('postgres', 'ALTER ROLE raft CONNECTION LIMIT 0');
my ($waits, $from) = planned('53300');
is(scalar(grep { $_ > 7.6 } @$waits), 0, 'there the next attempt is never more than some seconds ahead');
$refusing->safe_psql('postgres', 'ALTER ROLE raft CONNECTION LIMIT -1');
goes_on('53300', $from);

done_testing();
