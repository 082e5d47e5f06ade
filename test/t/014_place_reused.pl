# A session that sleeps while its group's place in shared memory goes to the group of
# another database: it must neither propose there nor take that group's figures for its own.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use RaftCluster;
use Test::More;

my $cluster = RaftCluster->new(nodes => ['a'], settings => { 'raft_pg.max_groups' => 1 });
my $node    = $cluster->node('a');
my $nobody  = 'host=' . $node->host . ' port=1';

$cluster->start_servers;
$node->safe_psql('postgres', 'CREATE DATABASE first');
$node->safe_psql('postgres', 'CREATE DATABASE second');
$node->safe_psql($_, 'CREATE EXTENSION raft_pg') foreach qw(first second);

# A group that never has a leader: its proposers wait.
$node->safe_psql('first',
	qq{SELECT raft_start('a', '{"a": "$nobody dbname=a", "b": "$nobody dbname=b", "c": "$nobody dbname=c"}')});

my %statement = (
	proposer => q{SELECT raft_propose('for the first'::text, '5 min')},
	waiter   => q{SELECT raft_wait(2, NULL, '5 min')});
my %client = map { $_ => $cluster->client('a', dbname => 'first') } keys %statement;
my @pids   = map { $_->value('SELECT pg_backend_pid()') } values %client;

$client{$_}->send_query($statement{$_}) foreach keys %statement;
ok( $cluster->wait_until(
		'both sessions to wait',
		sub {
			($cluster->value('a',
				"SELECT count(*) FROM pg_stat_activity WHERE datname = 'first' AND wait_event_type = 'Extension'"
				  . ' AND pid IN (' . join(', ', @pids) . ')') // 0) == 2;
		}),
	'one session waits for a leader, another for an entry');
kill 'STOP', @pids;

$node->safe_psql('first', 'SELECT raft_stop()');
ok( $cluster->wait_until(
		'the place of the first group',
		sub { defined $cluster->value('a', 'SELECT raft_start()', dbname => 'second') }),
	'a group of another database gets the place');
ok( $cluster->wait_until(
		'the second group',
		sub { ($cluster->value('a', 'SELECT applied_index FROM raft_state()', dbname => 'second') // 0) >= 2 }),
	'and runs');
kill 'CONT', @pids;

foreach my $who (sort keys %client)
{
	my $error = $client{$who}->answer->{error} // {};
	is($error->{C}, '55000', "the $who is told that its group was stopped");
	like($error->{M} // '', qr/was stopped in this database/, 'in so many words');
}
is($cluster->value('a', q{SELECT count(*) FROM raft.log WHERE kind = 'command'}, dbname => 'second'),
	0, 'nothing got into the log of the other database');

done_testing();
