# README's tour, line by line: three servers that come to each other with a role that is no
# superuser, by password (scram-sha-256, from a password file), without and with TLS
# whose certificates are verified.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Utils;
use RaftCluster;
use Test::More;

my $readme = slurp_file("$FindBin::RealBin/../../README.md");
my ($tour) = $readme =~ /^## A tour\n(.*?)^## /ms;
my @blocks = $tour =~ /^```[^\n]*\n(.*?)^```/msg;
my ($start) = grep { /raft_start\('a'/ } @blocks;
my ($on_leader, $on_another) = grep { /^=# /m } @blocks;
BAIL_OUT('README has another tour') if !$start || !$on_leader || !$on_another;

my $tls = check_pg_config('#define USE_OPENSSL 1');
my $dir = PostgreSQL::Test::Utils::tempdir();
$ENV{PGPASSFILE} = "$dir/pgpass";
append_to_file("$dir/pgpass", "localhost:*:*:raft:secret\n");
chmod 0600, "$dir/pgpass";

sub openssl { system_or_bail('openssl', @_); return; }
append_to_file("$dir/extensions", "subjectAltName = DNS:localhost\n");
openssl(qw(req -x509 -nodes -newkey rsa:2048 -days 2 -subj /CN=authority -keyout), "$dir/ca.key", '-out', "$dir/ca.crt");
openssl(qw(req -nodes -newkey rsa:2048 -subj /CN=localhost -keyout), "$dir/server.key", '-out', "$dir/server.csr");
openssl(qw(x509 -req -days 2 -CAcreateserial -in), "$dir/server.csr", '-CA', "$dir/ca.crt", '-CAkey', "$dir/ca.key",
	'-extfile', "$dir/extensions", '-out', "$dir/server.crt");
chmod 0600, "$dir/server.key";

my $cluster = RaftCluster->new(
	settings => {
		'listen_addresses'    => '127.0.0.1',
		'password_encryption' => 'scram-sha-256',
		$tls ? ('ssl' => 'on', 'ssl_cert_file' => "$dir/server.crt", 'ssl_key_file' => "$dir/server.key") : ()
	});
foreach my $name ($cluster->names)
{
	my $node = $cluster->node($name);

	unlink $node->data_dir . '/pg_hba.conf';
	$node->append_conf('pg_hba.conf', join("\n",
			'local     all all              trust',
			'hostnossl app raft 127.0.0.1/32 scram-sha-256',
			$tls ? 'hostssl tls raft 127.0.0.1/32 scram-sha-256' : (), ''));
}
$cluster->start_servers;
foreach my $name ($cluster->names)
{
	my $node = $cluster->node($name);

	$node->safe_psql('postgres', q{CREATE ROLE raft LOGIN REPLICATION PASSWORD 'secret'});
	$node->safe_psql('postgres', "CREATE DATABASE $_") foreach qw(app tls);
}

# The text with spaces counting as one, so that widths of columns do not matter.
sub plain { my ($text) = @_; $text =~ s/[ \t]+/ /g; $text =~ s/^ | $//mg; return $text; }

# Runs the statements of a transcript on a server, and compares what stands below each: names
# of columns, or the words of an error.
sub follow
{
	my ($name, $dbname, $leader, $transcript) = @_;

	foreach my $step (split /^(?==# )/m, $transcript)
	{
		my ($statement, $answer) = $step =~ /^=# (.*?)\n(.*)/s or next;
		my ($out, $err);

		$answer =~ s/node "b"/node "$leader"/;
		$statement =~ s/^(BEGIN; )(.*)/$1\n$2/;
		$cluster->node($name)->psql($dbname, $statement, stdout => \$out, stderr => \$err, on_error_stop => 0, on_error_die => 0,
			extra_params => [ '-P', 'tuples_only=off', '-P', 'format=aligned' ]);
		if ($answer =~ /^ERROR/)
		{
			$answer =~ s/\s+$//;
			like(plain($err), qr/\Q@{[ plain($answer) ]}\E/, "$dbname: $statement");
		}
		else
		{
			is($err, '', "$dbname: $statement");
			is((split /\n/, plain($out))[0], (split /\n/, plain($answer))[0], 'with these columns');
			cmp_ok(scalar(split /\n/, $out), '>=', scalar(split /\n/, $answer), 'and as many rows');
		}
	}
	return;
}

foreach my $dbname ('app', $tls ? 'tls' : ())
{
	my %port = map { 'abc' =~ /$_/; $-[0] + 1 => $cluster->node($_)->port } $cluster->names;

	foreach my $name ($cluster->names)
	{
		my $sql = $start;
		my ($err, $out);

		$sql =~ s/raft_start\('a'/raft_start('$name'/;
		$sql =~ s/host=10\.0\.0\.(\d)/host=localhost port=$port{$1}/g;
		$sql =~ s/dbname=app/dbname=tls sslmode=verify-full sslrootcert=$dir\/ca.crt/g if $dbname eq 'tls';
		is($cluster->node($name)->psql($dbname, $sql, stderr => \$err), 0, "$dbname: the first step on $name");
		unlike($err, qr/ERROR/, 'as it stands in README');
	}

	my $leader;
	ok( $cluster->wait_until(
			'a leader',
			sub {
				($leader) = grep { ($cluster->value($_, 'SELECT role FROM raft_state()', dbname => $dbname) // '') eq 'leader'
					  && ($cluster->value($_, q{SELECT count(*) FROM pg_stat_raft_replication WHERE link = 'streaming' AND incoming AND progress = 'replicate'}, dbname => $dbname) // 0) == 2 } $cluster->names;
				return $leader;
			}),
		"$dbname: a leader is elected, and all streams are open");
	$cluster->value($leader, "SELECT raft_propose('$_'::text)", dbname => $dbname) foreach 1 .. 6, 'cherries', 'quinces';
	is($cluster->value($leader, q{SELECT count(*) FROM pg_stat_ssl s JOIN pg_stat_activity a USING (pid) WHERE usename = 'raft' AND ssl},
			dbname => $dbname), 0 + ($dbname eq 'tls' ? 2 : 0), 'by the connections that were meant');
	follow($leader, $dbname, $leader, $on_leader);
	my ($another) = $cluster->others($leader);
	follow($another, $dbname, $leader, $on_another);
}

done_testing();
