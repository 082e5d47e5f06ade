# A log without any room, and one that holds entries of as many terms as it can: nobody
# campaigns, since a leader's first entry would have no place, nothing ends, and the
# server's log and the views say so until entries can be dropped.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use RaftCluster;
use RaftStop;
use Test::More;

my $cluster = RaftCluster->new(
	settings => { 'raft_pg.log_size' => '1MB', 'raft_pg.max_command_size' => '64kB' });
my $leader = $cluster->start;
my ($away, $other) = $cluster->others($leader);
my $stop   = { map { $_ => RaftStop->new($cluster, $_) } $cluster->names };
my $client;

sub error_of { my ($name) = @_; return $cluster->state($name)->{error} // ''; }

sub log_of { my ($name) = @_; return PostgreSQL::Test::Utils::slurp_file($cluster->node($name)->logfile); }

sub node_worker
{
	my ($name) = @_;
	return $cluster->value($name, q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'raft_pg node'}) // 0;
}

# --- no term is left (this build has room for 16) ---

ok($cluster->kill9($away), 'a member goes away');
my $elections = 0;
while (error_of($leader) !~ /entries of so many terms/ && $elections++ < 40)
{
	# not by a signal: the launcher would wait longer and longer
	$cluster->node($leader)->safe_psql('postgres', 'SELECT raft_stop()');
	$cluster->start_groups($leader);
	$leader = $cluster->wait_leader($leader, $other);
	($other) = $cluster->others($leader, $away);
}
like(error_of($leader), qr/entries of so many terms/, "after $elections elections no other can be won: the leader says so");
like(log_of($leader), qr/WARNING:  the Raft log holds entries of so many terms/, 'and its log');
ok($cluster->propose($leader, 'as ever'), 'the leader leads on');
$cluster->start_again($away);
ok($cluster->wait_until('entries to be dropped', sub { !grep { error_of($_) ne '' } $cluster->names }),
	'the member is back: entries are dropped, and all is well');
like(log_of($leader), qr/LOG:  Raft log has room for another leader again/, 'as the log says');
ok($cluster->wait_same_state, 'all three hold the same');

# --- no byte is left ---

ok($cluster->kill9($away), 'a member goes away again');
$client = $cluster->client($leader);

# The reserve would be used up by a thousand elections: without it, commands use it up.
$_->set('no_reserve', 'mutant') foreach values %$stop;
foreach my $size (40000, 1000, 0)
{
	my $result;
	do
	{
		$result = $client->query("SELECT raft_propose(convert_to(repeat('x', $size), 'UTF8'))");
	} while (!$result->{error} && !$result->{lost});
	is($result->{error}{C}, '53400', "the log is full for commands of $size bytes");
}
foreach my $name ($leader, $other)
{
	ok( $cluster->wait_until('the state', sub { error_of($name) =~ /no room for the first entry of another leader/ }),
		"$name says so in its state");
	my $warnings = () = log_of($name) =~ /WARNING:  the Raft log has no room for the first entry/g;
	is($warnings, 1, 'and once in its log');
}
is($cluster->state($leader)->{role}, 'leader', 'the leader leads on');

# Its node worker ends: as a follower it has no leader, and must not try to become one.
my $term = $cluster->state($leader)->{term};
my $pid  = node_worker($leader);
kill 'TERM', $pid;
ok( $cluster->wait_until(
		'another worker',
		sub {
			my $new = node_worker($leader);
			my $turns = $cluster->value($leader, 'SELECT turns FROM pg_stat_raft') // 0;
			return $new && $new != $pid && $turns > 0;
		}),
	'the worker of the leader is started anew');
my %workers = map { $_ => node_worker($_) } $leader, $other;
# A wait that an election would end, if there could be one.
is($cluster->client($leader)->query("SELECT raft_propose('nobody leads'::text, '5 s')")->{error}{C}, '57P03', 'nobody leads');
foreach my $name ($leader, $other)
{
	is($cluster->state($name)->{term}, $term, "$name has not campaigned");
	ok($cluster->wait_until("the worker of $name", sub { node_worker($name) == $workers{$name} }), 'its worker lives');
	unlike(log_of($name), qr/FATAL:  \d+ bytes do not fit/, 'and none has ended for want of room');
	like(error_of($name), qr/no room for the first entry/, 'its state says why');
}

is($cluster->digest($leader), $cluster->digest($other), 'both hold the same');

done_testing();
