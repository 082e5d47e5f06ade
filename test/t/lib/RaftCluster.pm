
=pod

=head1 NAME

RaftCluster - several PostgreSQL servers with one Raft group

=head1 SYNOPSIS

  my $cluster = RaftCluster->new(nodes => [qw(a b c)]);
  $cluster->start;
  my $leader = $cluster->wait_leader;
  $cluster->propose($leader, 'hello');
  ok($cluster->wait_same_state, 'all nodes hold the same');

=head1 DESCRIPTION

Times here are upper bounds after which a test gives up, never expectations: a slow
machine makes a test slow, not red.

=cut

package RaftCluster;

use strict;
use warnings;

use Fcntl ();
use IPC::Run ();
use JSON::PP ();
use POSIX ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use RaftClient;
use RaftProxy;
use Test::More;
use Test2::API ();
use Time::HiRes qw(sleep time);

our $patience = $ENV{PG_TEST_TIMEOUT_DEFAULT} || 90;    # seconds

my @clusters;

# Once an old bug that was put back (test/mutants) is found, nothing else is of interest.
Test2::API::test2_stack()->top->listen(
	sub {
		my ($hub, $event) = @_;
		my $assertion = $event->facet_data->{assert};
		exit 1 if $assertion && !$assertion->{pass};
	}) if $ENV{RAFT_MUTANT};

# Options: nodes (names), proxy (the servers reach each other through RaftProxy),
# hosts (by which names, then: {node => host}), settings ({name => value} for every
# node), install_path (of another version of PostgreSQL).
sub new
{
	my ($class, %options) = @_;
	my $self = bless {
		names  => $options{nodes} // [qw(a b c)],
		hosts  => $options{hosts} // {},
		nodes  => {},
		paused => {}
	}, $class;
	my %settings = (
		'shared_preload_libraries'  => 'raft_pg',
		'fsync'                     => 'on',
		'restart_after_crash'       => 'on',
		'log_statement'             => 'none',
		'log_min_messages'          => 'debug1',
		'wal_level'                 => 'replica',
		'max_wal_senders'           => 4,
		'max_worker_processes'      => 16,
		'max_connections'           => 50,
		'shared_buffers'            => '16MB',
		'raft_pg.election_timeout'  => '400ms',
		'raft_pg.heartbeat_interval' => '80ms',
		%{ $options{settings} // {} });
	my @children;

	foreach my $name (@{ $self->{names} })
	{
		$self->{nodes}{$name} = PostgreSQL::Test::Cluster->new($name,
			$options{install_path} ? (install_path => $options{install_path}) : ());
	}

	# initdb takes most of a short test: all at once.
	foreach my $name (@{ $self->{names} })
	{
		my $pid = fork // die "fork: $!";
		if ($pid == 0)
		{
			my $done = eval { $self->{nodes}{$name}->init(extra => ['--no-locale', '-E', 'UTF8']); 1; };
			print STDERR $@ if !$done;
			POSIX::_exit($done ? 0 : 1);
		}
		push @children, $pid;
	}
	foreach my $pid (@children)
	{
		waitpid $pid, 0;
		BAIL_OUT('initdb failed') if $? != 0;
	}
	# An old bug that this script is to find: see test/mutants.
	if ($ENV{RAFT_MUTANT})
	{
		foreach my $name (@{ $self->{names} })
		{
			my $directory = $self->{nodes}{$name}->data_dir . '/raft_pg_stop';

			mkdir $directory or die "$directory: $!";
			PostgreSQL::Test::Utils::append_to_file("$directory/$ENV{RAFT_MUTANT}", "mutant\n");
		}
	}
	foreach my $name (@{ $self->{names} })
	{
		$self->{nodes}{$name}->append_conf('postgresql.conf',
			join('', map { "$_ = '$settings{$_}'\n" } sort keys %settings));
	}

	if ($options{proxy})
	{
		$self->{proxy} = RaftProxy->new(
			map {
				my $node = $self->{nodes}{$_};
				$_ => $node->host . '/.s.PGSQL.' . $node->port
			} @{ $self->{names} });
	}
	push @clusters, $self;
	return $self;
}

sub names { my ($self) = @_; return @{ $self->{names} }; }
sub node  { my ($self, $name) = @_; return $self->{nodes}{$name}; }
sub proxy { my ($self) = @_; return $self->{proxy}; }

sub others
{
	my ($self, @without) = @_;
	my %without = map { $_ => 1 } @without;
	return grep { !$without{$_} } $self->names;
}

# --- starting ---

# What the members are told about a node.
sub conninfo
{
	my ($self, $name) = @_;
	my $node = $self->node($name);
	my $user = getpwuid($<);
	my $place =
	  $self->{proxy}
	  ? 'host=' . ($self->{hosts}{$name} // '127.0.0.1 hostaddr=127.0.0.1') . ' port=' . $self->{proxy}->port($name)
	  : 'host=' . $node->host . ' port=' . $node->port;

	return "$place dbname=postgres user=$user sslmode=disable gssencmode=disable";
}

sub members
{
	my ($self, @names) = @_;
	return JSON::PP->new->canonical->encode(
		{ map { $_ => $self->conninfo($_) } @names ? @names : $self->names });
}

sub start_servers
{
	my ($self) = @_;
	$self->node($_)->start foreach $self->names;
	return;
}

# The state machine of the tests: every command with its index, no constraint, so that
# a command applied twice shows.
sub create_state
{
	my ($self, @names) = @_;

	foreach my $name (@names ? @names : $self->names)
	{
		$self->node($name)->safe_psql(
			'postgres', q{
			CREATE EXTENSION raft_pg;
			CREATE TABLE commands (index bigint NOT NULL, command bytea NOT NULL);
			CREATE FUNCTION apply_command(bigint, bytea) RETURNS void LANGUAGE sql
				AS 'INSERT INTO public.commands VALUES ($1, $2)';
		});
	}
	return;
}

sub start_groups
{
	my ($self, @names) = @_;
	my $members = $self->members;

	foreach my $name (@names ? @names : $self->names)
	{
		$self->node($name)->safe_psql('postgres', "SELECT raft_start('$name', '$members')");
	}
	return;
}

# Servers, extension, group, and an apply function set by the first leader.
sub start
{
	my ($self) = @_;

	$self->start_servers;
	$self->create_state;
	$self->start_groups;
	my $leader = $self->wait_leader;
	BAIL_OUT('no leader was elected') if !$leader;
	$self->set_apply;
	return $leader;
}

sub set_apply
{
	my ($self) = @_;
	return $self->on_leader(q{SELECT raft_set_apply('public.apply_command(bigint, bytea)')});
}

# --- asking ---

# A fresh connection, or undef; see RaftClient.
sub client
{
	my ($self, $name, %options) = @_;
	return RaftClient->connect($self->node($name), %options);
}

# One value, undef when the node does not answer or refuses.
sub value
{
	my ($self, $name, $sql, %options) = @_;
	my $client = $self->client($name, timeout => 20, %options) or return undef;
	my $result = $client->query($sql);

	$client->close;
	return undef if $result->{error} || $result->{lost} || !@{ $result->{rows} };
	return $result->{rows}[0][0];
}

# raft_state() as a hash; empty when the node does not answer.
sub state
{
	my ($self, $name) = @_;
	my $json = $self->value($name, 'SELECT to_jsonb(s)::text FROM raft_state() s');
	return defined $json ? JSON::PP::decode_json($json) : {};
}

sub digest
{
	my ($self, $name) = @_;
	return $self->value(
		$name, q{SELECT count(*) || ' commands, md5 ' ||
			md5(coalesce(string_agg(index || ':' || encode(command, 'hex'), ',' ORDER BY index, ctid), ''))
			FROM commands});
}

# --- waiting ---

# Polls until the condition holds.  False, with the states in the test's output, when
# it did not within our patience.
sub wait_until
{
	my ($self, $what, $condition, %options) = @_;
	my $deadline = time + ($options{timeout} // $patience);

	while (time < $deadline)
	{
		my $value = $condition->();
		return $value if $value;
		sleep 0.03;
	}
	diag("gave up waiting: $what");
	$self->report;
	return 0;
}

sub report
{
	my ($self) = @_;

	foreach my $name ($self->names)
	{
		my $state = $self->{paused}{$name} ? { paused => 1 } : $self->state($name);
		diag("$name: " . (%$state ? JSON::PP->new->canonical->encode($state) : 'does not answer'));
	}
	return;
}

# The one leader that all of these nodes (default: all) follow, in one term.
sub wait_leader
{
	my ($self, @names) = @_;
	@names = $self->names if !@names;

	return $self->wait_until(
		"one leader of @names",
		sub {
			my @states = map { $self->state($_) } @names;
			my @leaders = grep { ($states[$_]{role} // '') eq 'leader' } 0 .. $#names;
			return 0 if @leaders != 1;
			my $leader = $names[ $leaders[0] ];
			my $term   = $states[ $leaders[0] ]{term};
			foreach my $state (@states)
			{
				return 0
				  if !defined $state->{term}
				  || $state->{term} != $term
				  || ($state->{leader} // '') ne $leader;
			}
			return $leader;
		});
}

sub wait_applied
{
	my ($self, $index, @names) = @_;
	@names = $self->names if !@names;

	return $self->wait_until(
		"index $index applied by @names",
		sub {
			!grep { ($self->state($_)->{applied_index} // -1) < $index } @names;
		});
}

# All of these nodes have applied the same, up to the end of the log.
sub wait_same_state
{
	my ($self, @names) = @_;
	@names = $self->names if !@names;

	return $self->wait_until(
		"the same state on @names",
		sub {
			my @states = map { $self->state($_) } @names;
			my $last   = $states[0]{last_index} // return 0;
			foreach my $state (@states)
			{
				return 0
				  if ($state->{last_index} // -1) != $last
				  || ($state->{applied_index} // -1) != $last;
			}
			my @digests = map { $self->digest($_) // return 0 } @names;
			return !grep { $_ ne $digests[0] } @digests;
		});
}

# --- proposing ---

# On this node; the index, or undef when it was refused.
sub propose
{
	my ($self, $name, $command) = @_;
	return $self->value($name, "SELECT raft_propose('$command'::text)");
}

# Runs a statement on whoever is the leader, trying again until it succeeds.
sub on_leader
{
	my ($self, $sql, @names) = @_;
	@names = $self->names if !@names;

	return $self->wait_until(
		"\"$sql\" on the leader of @names",
		sub {
			foreach my $name (@names)
			{
				next if ($self->state($name)->{role} // '') ne 'leader';
				my $client = $self->client($name) or next;
				my $result = $client->query($sql);
				$client->close;
				return 1 if !$result->{error} && !$result->{lost};
				diag("$name: $result->{error}{C}: $result->{error}{M}") if $result->{error};
			}
			return 0;
		});
}

# --- recordings (raft_pg.record_events) ---

sub recordings
{
	my ($self, @names) = @_;
	return map { sort glob $self->node($_)->data_dir . '/raft_pg_events/*.events' } @names;
}

# What the laboratory says of them; its exit status is in $?.
sub replay
{
	my ($self, @files) = @_;
	my $output = '';

	# Two scripts must not build the laboratory at once.
	open my $lock, '<', 'test/sim/Makefile' or die "test/sim/Makefile: $!";
	flock $lock, Fcntl::LOCK_EX or die "flock: $!";
	IPC::Run::run([ 'make', '-s', '-C', 'test/sim', 'replay', "FILE=@files" ],
		'<', \undef, '>&', \$output);
	return $output;
}

# --- faults ---

# SIGKILL to the postmasters alone, as a crash: their children must end by themselves.
sub kill9
{
	my ($self, @names) = @_;
	my %postmaster = map { $_ => $self->node($_)->{_pid} } @names;
	my @processes = (values %postmaster, map { children_of($_) } values %postmaster);

	$self->node($_)->kill9 foreach @names;
	my $ended = $self->wait_until("the processes of @names to end",
		sub { !grep { alive($_) } @processes });

	# Where nobody reaps orphans at once, the zombie keeps the lock files valid.
	foreach my $name (@names)
	{
		my $node     = $self->node($name);
		my $deadline = time + 1;

		sleep 0.01 while -e "/proc/$postmaster{$name}" && time < $deadline;
		unlink $node->data_dir . '/postmaster.pid', $node->host . '/.s.PGSQL.' . $node->port . '.lock'
		  if $ended && -e "/proc/$postmaster{$name}";
	}
	return $ended;
}

sub start_again
{
	my ($self, @names) = @_;
	$self->node($_)->start foreach @names;
	return;
}

# Stops every process of a server in its tracks; the postmaster first, so that no
# child escapes.
sub pause
{
	my ($self, $name) = @_;
	my $postmaster = $self->node($name)->{_pid};

	kill 'STOP', $postmaster;
	my @children = children_of($postmaster);
	kill 'STOP', @children;
	$self->{paused}{$name} = [ @children, $postmaster ];
	return;
}

sub resume
{
	my ($self, $name) = @_;
	my $pids = delete $self->{paused}{$name} or return;

	kill 'CONT', @$pids;
	return;
}

sub children_of
{
	my ($parent) = @_;
	my @children;

	foreach my $file (glob '/proc/[0-9]*/stat')
	{
		open my $stat, '<', $file or next;
		my $line = <$stat> // '';
		close $stat;
		# The name, in parentheses, may hold anything.
		push @children, $1
		  if $line =~ /^(\d+) \(.*\) \S (\d+) /s && $2 == $parent;
	}
	return @children;
}

# A zombie is a dead process that init has not yet seen.
sub alive
{
	my ($pid) = @_;

	open my $stat, '<', "/proc/$pid/stat" or return 0;
	my $line = <$stat> // '';
	close $stat;
	return $line =~ /\) ([^ZX]) /s ? 1 : 0;
}

# Runs before PostgreSQL::Test::Cluster stops its servers: a stopped process cannot end.
END
{
	my $exit = $?;

	foreach my $cluster (@clusters)
	{
		$cluster->resume($_) foreach keys %{ $cluster->{paused} };
		$cluster->{proxy}->stop if $cluster->{proxy};
	}
	$? = $exit;
}

1;
