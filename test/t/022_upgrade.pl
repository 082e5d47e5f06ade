# pg_upgrade takes a member along: nothing of Raft runs while it works, and what it made is
# a copy of the node's log that a superuser vouches for.  The group goes on meanwhile, with
# members of two versions.  The old one's programs are in $OLD_BIN, or it is the same.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use Cwd ();
use File::Basename;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use RaftCluster;
use Test::More;

my $old_bin = $ENV{OLD_BIN} || undef;
my $cluster = RaftCluster->new($old_bin ? (install_path => dirname($old_bin)) : ());
my $leader  = $cluster->start;
my @members = ($cluster->others($leader), $leader);
my $newer   = PostgreSQL::Test::Cluster->new('newer');
my $bin     = $newer->config_data('--bindir');
my $version = $newer->pg_version;
note 'from ' . $cluster->node($leader)->pg_version . " to $version";

$cluster->propose($leader, "before $_") foreach 1 .. 3;
ok($cluster->wait_same_state, 'all three hold the same');

my $has_checksums = $cluster->value($leader, 'SHOW data_checksums') eq 'on';

# Upgrades a stopped server; the new directory takes the place of the old one.
sub upgrade
{
	my ($name, @options) = @_;
	my $old = $cluster->node($name);
	my $new = PostgreSQL::Test::Cluster->new("new_$name");
	my $conf = PostgreSQL::Test::Utils::slurp_file($old->data_dir . '/postgresql.conf');
	my $cwd = Cwd::getcwd();
	my $output = '';
	# 18 has checksums unless told otherwise, and pg_upgrade does not add them.
	my @checksums = $version >= 18 && !$has_checksums ? '--no-data-checksums' : ();

	$new->init(extra => [ '--no-locale', '-E', 'UTF8', @checksums ]);
	$new->append_conf('postgresql.conf', "shared_preload_libraries = 'raft_pg'");
	chdir PostgreSQL::Test::Utils::tempdir();
	my $done = IPC::Run::run(
		[ 'pg_upgrade', '-d', $old->data_dir, '-D', $new->data_dir, '-b', $old_bin // $bin, '-B', $bin,
			'-s', $old->host, '-p', $old->port, '-P', $new->port, @options ],
		'<', \undef, '>&', \$output);
	chdir $cwd;
	ok($done, "pg_upgrade @options of $name") or diag($output);

	rename $old->data_dir, $old->data_dir . '.old' or die "rename: $!";
	rename $new->data_dir, $old->data_dir or die "rename: $!";
	open my $file, '>', $old->data_dir . '/postgresql.conf' or die "postgresql.conf: $!";
	print $file $conf;
	close $file;
	delete $old->{_install_path};
	return;
}

foreach my $case ([ $members[0] ], [ $members[1], '--link' ], [ $members[2], $version >= 18 ? '--swap' : () ])
{
	my ($name, @options) = @$case;
	my $node = $cluster->node($name);
	my @rest = $cluster->others($name);

	my $before = $cluster->digest($name);
	$node->stop;
	upgrade($name, @options);
	ok($cluster->on_leader("SELECT raft_propose('while $name is away'::text)", @rest), 'the others go on');
	$node->start;
	ok($cluster->wait_until("the refusal of $name", sub { ($cluster->state($name)->{state} // '') eq 'failed' }),
		'the new server does not take the place of the old one by itself');
	like($cluster->state($name)->{error}, qr/this copy of the Raft log was made by another server: .*system identifier/,
		'and says why');
	like($cluster->client($name)->query(q{SELECT raft_propose('x'::text)})->{error}{H} // '',
		qr/upgraded by pg_upgrade.*raft_reset_identity/, 'and what to do');
	is($cluster->digest($name), $before, 'the data are there');
	$node->safe_psql('postgres', $_) foreach 'SELECT raft_reset_identity()', 'SELECT raft_start()';
	ok($cluster->wait_leader, 'vouched for, it is the node');
	ok($cluster->wait_same_state, 'and catches up');
}
$cluster->node($_)->restart foreach $cluster->names;
ok($cluster->wait_leader, 'the upgraded group starts again by itself');
ok($cluster->on_leader(q{SELECT raft_propose('after the upgrade'::text)}), 'and takes commands');
ok($cluster->wait_same_state, 'on all three');
is($cluster->value($_, 'SHOW server_version_num') =~ s/....$//r, int("$version"), "$_ has the version that it was upgraded to")
  foreach $cluster->names;

done_testing();
