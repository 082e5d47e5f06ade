# The first leader dies before it has named the members' logs: the next one does it.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use RaftCluster;
use RaftStop;
use Test::More;

# Patient: a slow machine must not look like a lost leader.
my $cluster = RaftCluster->new(settings => { 'raft_pg.election_timeout' => '1s' });
my %stop;

sub configurations
{
	my ($name) = @_;
	return $cluster->value($name, q{SELECT count(*) FROM raft.log WHERE kind = 'configuration'});
}

# --- the logs are named by the next leader ---

$cluster->start_servers;
$cluster->create_state;
foreach my $name ($cluster->names)
{
	$stop{$name} = RaftStop->new($cluster, $name);
	$stop{$name}->set('name_logs', 'wait');
}
$cluster->start_groups;
my $first;
ok( $cluster->wait_until('a leader about to name the logs',
		sub { ($first) = grep { -s "$stop{$_}{directory}/name_logs.reached" } $cluster->names; $first }),
	'the first leader is about to name the logs');
is(configurations($_), 1, "$_ does not know them yet") foreach $cluster->names;
# A process at a stop point does not look whether its postmaster lives.
my $postmaster = $cluster->node($first)->{_pid};
my $held = $stop{$first}->wait_reached('name_logs');
my @processes = ($postmaster, RaftCluster::children_of($postmaster));
kill 'KILL', $postmaster, $held;
ok($cluster->wait_until('its end', sub { !grep { RaftCluster::alive($_) } @processes }), 'it is killed');
ok($cluster->kill9($first), 'with its server');
$stop{$_}->clear('name_logs') foreach $cluster->names;
my @others = $cluster->others($first);
ok( $cluster->wait_until('the others to tell', sub { 2 == grep { ($cluster->state($_)->{error} // '') =~ /being formed: node "$first" / } @others }),
	'the others wait for it');
$cluster->start_again($first);
ok($cluster->wait_leader, 'it is back: a leader is elected');
ok($cluster->set_apply, 'and takes commands');
ok($cluster->wait_same_state, 'all hold the same');
is(configurations($_), 2, "$_ knows the logs") foreach $cluster->names;
ok($cluster->kill9($first), 'the first one is killed again');
my $leader = $cluster->wait_leader(@others);
ok($leader, 'and now the others go on');
$cluster->start_again($first);
ok($cluster->wait_leader, 'all are there');

done_testing();
