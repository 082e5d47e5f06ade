# Connection strings are stored in every node's log and shown to its readers, so they hold
# no secret, whatever libpq calls it: also not under a name that only a later libpq
# has.  What is refused goes by libpq's own marks, so that a made-up option will do.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Utils;
use RaftCluster;
use Test::More;

my $preload = PostgreSQL::Test::Utils::tempdir() . '/options.so';
chomp(my $include = `pg_config --includedir`);
system('cc', '-Wall', '-Werror', '-shared', '-fPIC', "-I$include", '-o', $preload, "$FindBin::RealBin/lib/options.c", '-ldl') == 0
  or BAIL_OUT('could not compile the options');

my $cluster = RaftCluster->new(nodes => ['a']);
{
	local $ENV{LD_PRELOAD} = $preload;
	$cluster->start_servers;
}
my $node = $cluster->node('a');
$node->safe_psql('postgres', 'CREATE EXTENSION raft_pg');

sub start_with
{
	my ($option) = @_;
	my $client = $cluster->client('a');
	my $result = $client->query(qq[SELECT raft_start('a', '{"a": "host=/nowhere $option"}')]);
	$client->close;
	return $result->{error} // {};
}

my @refused = (
	[ 'password',            qr/contains a password/ ],
	[ 'sslpassword',         qr/contains a password/ ],
	[ 'oauth_client_secret', qr/must not set "oauth_client_secret"/ ],
	[ 'coming_secret',       qr/must not set "coming_secret"/ ],
	[ 'scram_client_key',    qr/must not set "scram_client_key"/,    'for debugging' ],
	[ 'scram_server_key',    qr/must not set "scram_server_key"/,    'for debugging' ],
	[ 'sslkeylogfile',       qr/must not set "sslkeylogfile"/,       'for debugging' ],
	[ 'coming_debug_option', qr/must not set "coming_debug_option"/, 'for debugging' ]);
foreach my $case (@refused)
{
	my ($option, $message, $detail) = @$case;
	my $error = start_with("$option=hush");

	is($error->{C}, '42501', "$option is refused");
	like($error->{M} // '', $message, 'the message says what');
	like($error->{D} // '', $detail ? qr/$detail/ : qr/shown to its readers/, 'and the detail why');
	is(scalar(grep { /hush/ } map { $_ // '' } @$error{qw(M D H)}), 0, 'without telling it');
}
is(start_with('replication=database')->{C}, '22023', 'what raft_pg sets itself is refused for that reason');
is($cluster->value('a', 'SELECT count(*) FROM raft.node'), 0, 'nothing was stored');

is_deeply(start_with('coming_option=open'), {}, 'a later option that is neither is taken');
is($cluster->value('a', 'SELECT conninfo FROM raft.members'), 'coming_option=open host=/nowhere', 'and shown');

done_testing();
