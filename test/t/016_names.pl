# The servers know each other by name.  A name that cannot be resolved, or a name service
# that does not answer, concerns the stream to that peer and nothing else; no process of
# a server ever waits for a name.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Utils;
use RaftCluster;
use Test::More;

my $names   = PostgreSQL::Test::Utils::tempdir() . '/names';
my $preload = PostgreSQL::Test::Utils::tempdir() . '/names.so';
my %names   = (
	'raft-a' => '0 127.0.0.1',
	# The first address is nobody's.
	'raft-b' => '0 127.0.0.2 127.0.0.1',
	'raft-c' => '0 127.0.0.1');

sub write_names
{
	my (%changed) = @_;
	%names = (%names, %changed);
	PostgreSQL::Test::Utils::append_to_file("$names.new", join('', map { "$_ $names{$_}\n" } sort keys %names));
	rename "$names.new", $names or die "rename: $!";
	return;
}

system('cc', '-Wall', '-shared', '-fPIC', '-pthread', '-o', $preload, "$FindBin::RealBin/lib/names.c", '-ldl') == 0
  or BAIL_OUT('could not compile the name service');
write_names();
$ENV{RAFT_TEST_NAMES} = $names;

my $cluster = RaftCluster->new(
	proxy => 1,
	hosts => { map { $_ => "raft-$_" } qw(a b c) });

# One node's view of its stream to another.
sub link_of
{
	my ($name, $peer, $column) = @_;
	return $cluster->value($name, "SELECT $column FROM pg_stat_raft_replication WHERE node = '$peer'") // '';
}

# --- a name that does not exist, and one with two addresses ---

$ENV{LD_PRELOAD} = $preload;
$cluster->start_servers;
delete $ENV{LD_PRELOAD};
$cluster->create_state;
$cluster->start_groups;
ok($cluster->wait_leader, 'three servers that know each other by name form a group');
ok($cluster->set_apply, 'which takes commands');
write_names('raft-c' => '0');
$cluster->node($_)->safe_psql('postgres', 'SELECT raft_stop()') foreach qw(a b);
$cluster->start_groups(qw(a b));
ok($cluster->wait_leader(qw(a b)), 'one name of three cannot be resolved any more: the others elect a leader');
ok($cluster->on_leader(q{SELECT raft_propose('of two'::text)}, qw(a b)), 'who takes commands');
is(link_of('a', 'b', 'link'), 'streaming', 'of two addresses, the one that answers is found');
my $leader = $cluster->wait_leader(qw(a b));
my $term   = $cluster->state($leader)->{term};
foreach my $name (qw(a b))
{
	ok( $cluster->wait_until(
			"the error on $name",
			sub { link_of($name, 'c', 'last_error') =~ /^could not translate host name "raft-c" to address: .*not known/ }),
		"$name tells what is wrong with the third");
}
ok($cluster->propose($leader, "without c $_"), 'commands go on') foreach 1 .. 3;
is($cluster->state($leader)->{term}, $term, 'in one term');

write_names('raft-c' => '0 127.0.0.1');
ok($cluster->wait_leader, 'once the name exists the third follows');
ok($cluster->wait_same_state, 'and holds the same');

# --- a name service that does not answer for longer than this test runs ---

$leader = $cluster->wait_leader;
$term   = $cluster->state($leader)->{term};
my ($follower, $other) = $cluster->others($leader);
write_names("raft-$other" => '3600000 127.0.0.1');
$cluster->node($follower)->safe_psql('postgres', 'SELECT raft_stop()');
$cluster->start_groups($follower);
ok( $cluster->wait_until('the lookup', sub { link_of($follower, $other, 'link') eq 'resolving' }),
	'a lookup takes long');
ok( $cluster->wait_until(
		'the follower', sub { ($cluster->state($follower)->{leader} // '') eq $leader }),
	'meanwhile the node follows the leader');
my $index = $cluster->propose($leader, 'during the lookup');
ok($cluster->wait_applied($index), 'and gets its commands');
ok( $cluster->wait_until(
		'the error',
		sub { link_of($follower, $other, 'last_error') =~ /^looking up host name "raft-$other" takes longer/ }),
	'its status tells what it waits for');
is($cluster->state($leader)->{term}, $term, 'all in one term');

$cluster->node($follower)->safe_psql('postgres', 'CREATE DATABASE passing');
$cluster->node($follower)->safe_psql('postgres', 'DROP DATABASE passing');
$cluster->node($follower)->safe_psql('postgres', 'SELECT raft_stop()');
$cluster->start_groups($follower);
ok( $cluster->wait_until(
		'the follower', sub { ($cluster->state($follower)->{leader} // '') eq $leader }),
	'the group is stopped and started in spite of it');
ok($cluster->wait_until('the lookup', sub { link_of($follower, $other, 'link') eq 'resolving' }), 'once more');
ok($cluster->node($follower)->stop('fast'), 'and the server is shut down');

# --- who has waited for all that ---

my @lookups = split /\n/, PostgreSQL::Test::Utils::slurp_file("$names.log");
cmp_ok(scalar @lookups, '>', 6, 'names were looked up');
is(scalar(grep { !/^thread / } @lookups), 0, 'never by a process');

done_testing();
