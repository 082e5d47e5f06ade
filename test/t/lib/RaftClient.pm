
=pod

=head1 NAME

RaftClient - a small client of the frontend/backend protocol

=head1 SYNOPSIS

  my $client = RaftClient->connect($node, application_name => 'me');
  my $result = $client->query('SELECT raft_propose($$x$$)');
  print $result->{error} ? $result->{error}{C} : $result->{rows}[0][0];

=head1 DESCRIPTION

The tests of load need the SQLSTATE and the detail of each error and must tell a
lost connection from a refusal; the tests of hostile input must send bytes that no
proper client sends.  Every wait has a deadline.

=cut

package RaftClient;

use strict;
use warnings;

use IO::Select;
use IO::Socket::INET;
use IO::Socket::UNIX;
use Time::HiRes qw(time);

# Connects to a PostgreSQL::Test::Cluster node.  Options: dbname, user,
# application_name, options, tcp (not by the Unix socket), timeout (seconds for each answer).  Returns undef when the server
# cannot be reached or refuses; the reason is in $RaftClient::error.
our $error;

sub connect
{
	my ($class, $node, %options) = @_;
	my $self = bless {
		buffer  => '',
		timeout => $options{timeout} // 60
	}, $class;
	my %parameters = (
		user     => $options{user} // scalar(getpwuid($<)),
		database => $options{dbname} // 'postgres');

	foreach my $name (qw(application_name replication options))
	{
		$parameters{$name} = $options{$name} if defined $options{$name};
	}

	$self->{socket} =
	  $options{tcp}
	  ? IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $node->port)
	  : IO::Socket::UNIX->new(Peer => $node->host . '/.s.PGSQL.' . $node->port);
	if (!$self->{socket})
	{
		$error = "could not connect: $!";
		return undef;
	}

	my $startup = pack('N', 3 << 16)
	  . join('', map { "$_\0$parameters{$_}\0" } sort keys %parameters) . "\0";
	$self->send_raw(pack('N', 4 + length $startup) . $startup);

	while (my ($type, $body) = $self->receive)
	{
		return $self if $type eq 'Z';
		if ($type eq 'E')
		{
			my $fields = parse_error($body);
			$error = "$fields->{C}: $fields->{M}";
			return undef;
		}
		if ($type eq 'R' && unpack('N', $body) != 0)
		{
			$error = 'the server wants a password';
			return undef;
		}
	}
	$error = 'the server closed the connection';
	return undef;
}

sub close
{
	my ($self) = @_;

	$self->{socket}->close if $self->{socket};
	$self->{socket} = undef;
	return;
}

# --- whole queries ---

# Runs one simple query.  Returns {rows => [[...]...], error => {C, M, D, H}, lost => 1}:
# error is set when the server refused, lost when the answer never came in full.
sub query
{
	my ($self, $sql) = @_;

	$self->send_query($sql);
	return $self->answer;
}

# As query, for one value; dies on an error.
sub value
{
	my ($self, $sql) = @_;
	my $result = $self->query($sql);

	die "connection lost in \"$sql\"" if $result->{lost};
	die "\"$sql\" failed: $result->{error}{C}: $result->{error}{M}"
	  if $result->{error};
	return @{ $result->{rows} } ? $result->{rows}[0][0] : undef;
}

# Reads up to the end of the query's answer.
sub answer
{
	my ($self) = @_;
	my $result = { rows => [] };

	while (my ($type, $body) = $self->receive)
	{
		return $result if $type eq 'Z';
		$result->{error} = parse_error($body) if $type eq 'E';
		push @{ $result->{rows} }, parse_row($body) if $type eq 'D';
	}
	$result->{lost} = 1;
	return $result;
}

# --- single messages ---

sub send_query
{
	my ($self, $sql) = @_;
	return $self->send_message('Q', "$sql\0");
}

sub send_message
{
	my ($self, $type, $body) = @_;
	return $self->send_raw($type . pack('N', 4 + length $body) . $body);
}

# False when the connection is broken.
sub send_raw
{
	my ($self, $bytes) = @_;
	my $deadline = time + $self->{timeout};

	local $SIG{PIPE} = 'IGNORE';
	while (length $bytes)
	{
		return 0 if !$self->{socket} || time > $deadline;
		next if !IO::Select->new($self->{socket})->can_write(1);
		my $written = syswrite($self->{socket}, $bytes);
		return 0 if !defined $written;
		substr($bytes, 0, $written) = '';
	}
	return 1;
}

# The next message: (type, body), or nothing when the connection ended or the deadline
# has passed.  Notices and parameters are skipped.
sub receive
{
	my ($self, %options) = @_;
	my $deadline = time + ($options{timeout} // $self->{timeout});

	while ($self->{socket})
	{
		if (length $self->{buffer} >= 5)
		{
			my ($type, $length) = unpack('a N', $self->{buffer});

			if (length $self->{buffer} >= 1 + $length)
			{
				my $body = substr($self->{buffer}, 5, $length - 4);
				substr($self->{buffer}, 0, 1 + $length) = '';
				next if $type =~ /[NSKA]/;
				return ($type, $body);
			}
		}

		my $left = $deadline - time;
		return if $left <= 0;
		next if !IO::Select->new($self->{socket})->can_read($left);
		my $got = sysread($self->{socket}, $self->{buffer}, 65536,
			length $self->{buffer});
		if (!$got)
		{
			$self->close;
			return;
		}
	}
	return;
}

# Fields of an ErrorResponse by their one-letter names: C, M, D, H ...
sub parse_error
{
	my ($body) = @_;
	my %fields =
	  map { substr($_, 0, 1) => substr($_, 1) } grep { length } split /\0/, $body;
	return \%fields;
}

sub parse_row
{
	my ($body) = @_;
	my $columns = unpack('n', $body);
	my $offset  = 2;
	my @row;

	foreach (1 .. $columns)
	{
		my $length = unpack('l>', substr($body, $offset, 4));
		$offset += 4;
		push @row, $length < 0 ? undef : substr($body, $offset, $length);
		$offset += $length if $length > 0;
	}
	return \@row;
}

1;
