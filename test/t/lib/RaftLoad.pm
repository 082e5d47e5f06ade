
=pod

=head1 NAME

RaftLoad - clients that propose unique commands, and the check of what became of them

=head1 DESCRIPTION

Each client is a process that proposes "client-serial" again and again, never the same
twice, on whichever server takes it, and notes for each what it was told:

  ok       acknowledged: must be in the state of every node exactly once
  refused  an error that promises it was not and will not be applied: must be nowhere
  unknown  08007, or the connection was lost: may be there, once

Anything else in the state is a phantom.

=cut

package RaftLoad;

use strict;
use warnings;

use POSIX ();
use PostgreSQL::Test::Utils;
use RaftClient;
use Time::HiRes qw(sleep time);

# SQLSTATEs that leave the outcome open; every other error is a refusal.
my %unknown = map { $_ => 1 } qw(08007 57P01 57P02 57P05);

my $loads = 0;

# Options: clients (number), names (nodes to propose on).
sub start
{
	my ($class, $cluster, %options) = @_;
	my $self = bless { cluster => $cluster, files => [], pids => [] }, $class;
	my $clients = $options{clients} // 4;
	my @names = $options{names} ? @{ $options{names} } : $cluster->names;
	my $load = ++$loads;

	$self->{stop} = PostgreSQL::Test::Utils::tempdir() . '/stop';
	foreach my $number (1 .. $clients)
	{
		my $file = PostgreSQL::Test::Utils::tempdir() . '/history';
		push @{ $self->{files} }, $file;
		my $pid = fork // die "fork: $!";
		if ($pid == 0)
		{
			my $done = eval { $self->client("$load.$number", $file, @names); 1; };
			print STDERR "load client: $@" if !$done;
			POSIX::_exit($done ? 0 : 1);
		}
		push @{ $self->{pids} }, $pid;
	}
	return $self;
}

# The life of one client.
sub client
{
	my ($self, $me, $file, @names) = @_;
	my ($connection, $serial, $turn, $parent) = (undef, 0, 0, getppid);

	open my $history, '>>', $file or die "$file: $!";
	$history->autoflush(1);

	while (!-e $self->{stop} && getppid == $parent)
	{
		if (!$connection)
		{
			my $node = $self->{cluster}->node($names[ $turn++ % @names ]);
			$connection = RaftClient->connect($node,
				application_name => "load $me", timeout => 15);
			if (!$connection || $connection->query("SET raft_pg.propose_timeout = '4s'")->{lost})
			{
				$connection = undef;
				sleep 0.05;
				next;
			}
		}

		my $command = "$me-" . ++$serial;
		my $result  = $connection->query("SELECT raft_propose('$command'::text)");

		if (!$result->{error} && !$result->{lost})
		{
			print $history "ok $command $result->{rows}[0][0]\n";
			next;
		}
		my $sqlstate = $result->{error} ? $result->{error}{C} : 'lost';
		my $verdict = $result->{lost} || $unknown{$sqlstate} ? 'unknown' : 'refused';
		print $history "$verdict $command $sqlstate\n";
		$connection->close;
		$connection = undef;
		sleep 0.02;
	}
	return;
}

# How many commands were acknowledged so far.
sub acknowledged
{
	my ($self) = @_;
	my $count = 0;

	foreach my $file (@{ $self->{files} })
	{
		next if !-e $file;
		$count += grep { /^ok / } split /\n/, PostgreSQL::Test::Utils::slurp_file($file);
	}
	return $count;
}

# Waits until that many more have been acknowledged than now.
sub wait_progress
{
	my ($self, $more) = @_;
	my $goal = $self->acknowledged + $more;

	return $self->{cluster}->wait_until("$more more acknowledged commands",
		sub { $self->acknowledged >= $goal });
}

# Ends the clients; returns {command => {verdict, detail}}, where detail is the index
# or the SQLSTATE.
sub stop
{
	my ($self) = @_;
	my %history;

	PostgreSQL::Test::Utils::append_to_file($self->{stop}, '');
	foreach my $pid (splice @{ $self->{pids} })
	{
		waitpid $pid, 0;
		die 'a load client failed' if $? != 0;
	}
	foreach my $file (@{ $self->{files} })
	{
		foreach my $line (split /\n/, PostgreSQL::Test::Utils::slurp_file($file))
		{
			my ($verdict, $command, $detail) = split ' ', $line;
			$history{$command} = { verdict => $verdict, detail => $detail };
		}
	}
	return \%history;
}

# Compares a node's state with what the clients were told.  Returns the violations, none
# when all is well.
sub violations
{
	my ($cluster, $name, $history) = @_;
	my $rows = $cluster->node($name)->safe_psql('postgres',
		q{SELECT index, convert_from(command, 'UTF8') FROM commands ORDER BY index, ctid});
	my (%seen, @found);

	foreach my $row (split /\n/, $rows)
	{
		my ($index, $command) = split /\|/, $row;
		push @{ $seen{$command} }, $index;
	}

	foreach my $command (sort keys %$history)
	{
		my ($verdict, $detail) = @{ $history->{$command} }{qw(verdict detail)};
		my $places = delete $seen{$command} // [];

		push @found, "$name: $command was applied " . @$places . " times (@$places)"
		  if @$places > 1;
		if ($verdict eq 'ok' && !@$places)
		{
			push @found, "$name: $command was acknowledged at $detail and is not there";
		}
		elsif ($verdict eq 'ok' && $places->[0] != $detail)
		{
			push @found, "$name: $command was acknowledged at $detail and is at $places->[0]";
		}
		elsif ($verdict eq 'refused' && @$places)
		{
			push @found, "$name: $command was refused with $detail and is at $places->[0]";
		}
	}
	push @found, "$name: $_ was never proposed" foreach sort grep { /^\d+\.\d+-/ } keys %seen;
	return @found;
}

# A test's assertions about a history: on every node, and that the check itself sees a
# missing, a doubled and an invented command.
sub check
{
	my ($cluster, $history, @names) = @_;
	my @found;
	my $acknowledged = grep { $history->{$_}{verdict} eq 'ok' } keys %$history;

	@names = $cluster->names if !@names;
	push @found, violations($cluster, $_, $history) foreach @names;
	Test::More::is(join("\n", @found[ 0 .. ($#found > 19 ? 19 : $#found) ]),
		'', "$acknowledged acknowledged commands are there once on every node, and no phantom");
	return;
}

# Proves that the check fails when it must; damages the state of the node.
sub check_the_check
{
	my ($cluster, $name, $history) = @_;
	my $node = $cluster->node($name);
	my ($victim) = grep { $history->{$_}{verdict} eq 'ok' } sort keys %$history;
	my $where = "WHERE command = '$victim'::bytea";

	$node->safe_psql('postgres', "CREATE TABLE kept AS SELECT * FROM commands $where");
	$node->safe_psql('postgres', "DELETE FROM commands $where");
	Test::More::like((violations($cluster, $name, $history))[0] // '',
		qr/is not there/, 'the check sees one command removed by hand');
	$node->safe_psql('postgres',
		'INSERT INTO commands SELECT * FROM kept UNION ALL SELECT * FROM kept');
	Test::More::like((violations($cluster, $name, $history))[0] // '',
		qr/applied 2 times/, 'the check sees one command applied twice');
	$node->safe_psql('postgres',
		"DELETE FROM commands $where; INSERT INTO commands SELECT * FROM kept;"
		  . "INSERT INTO commands VALUES (1, '9.9-9')");
	Test::More::like((violations($cluster, $name, $history))[0] // '',
		qr/never proposed/, 'the check sees a phantom');
	$node->safe_psql('postgres', "DELETE FROM commands WHERE command = '9.9-9'; DROP TABLE kept");
	Test::More::is(join("\n", violations($cluster, $name, $history)),
		'', 'and is content again once the state is put back');
	return;
}

1;
