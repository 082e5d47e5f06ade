
=pod

=head1 NAME

RaftProxy - a network between the servers that the test can cut

=head1 DESCRIPTION

One child process listens on a TCP port for each server and passes the bytes on to its
Unix socket.  Who dials is read from the application name of the startup packet
("raft_pg: a → b"), so each directed link can be cut on its own, although all
members share one conninfo per server:

  cut    the bytes stop, both sides keep their connection: a network that swallows packets
  heal   what was held back goes on
  reset  the connections of the link are closed, new ones are refused until heal

=cut

package RaftProxy;

use strict;
use warnings;

use IO::Select;
use IO::Socket::INET;
use IO::Socket::UNIX;
use POSIX ();
use Socket;

use constant CHUNK => 65536;

# targets: name => path of the server's Unix socket.
sub new
{
	my ($class, %targets) = @_;
	my $self = bless { ports => {} }, $class;
	my %listeners;

	foreach my $name (sort keys %targets)
	{
		$listeners{$name} = IO::Socket::INET->new(
			LocalAddr => '127.0.0.1',
			Listen    => 64,
			Blocking  => 0) or die "could not listen: $!";
		$self->{ports}{$name} = $listeners{$name}->sockport;
	}

	socketpair($self->{control}, my $child_side, AF_UNIX, SOCK_STREAM, PF_UNSPEC)
	  or die "socketpair: $!";
	$self->{control}->autoflush(1);

	$self->{pid} = fork // die "fork: $!";
	if ($self->{pid} == 0)
	{
		close $self->{control};
		$child_side->autoflush(1);
		# The child must not run the END blocks of the test.
		eval { serve($child_side, \%listeners, \%targets); };
		print STDERR "proxy: $@" if $@;
		POSIX::_exit($@ ? 1 : 0);
	}
	close $child_side;
	$_->close foreach values %listeners;
	return $self;
}

sub port
{
	my ($self, $name) = @_;
	return $self->{ports}{$name};
}

# --- commands; each returns once the proxy follows it ---

# Links between two groups of servers, in both directions.
sub cut   { my ($self, $one, $other) = @_; return $self->between('cut',   $one, $other); }
sub heal  { my ($self, $one, $other) = @_; return $self->between('heal',  $one, $other); }
sub reset { my ($self, $one, $other) = @_; return $self->between('reset', $one, $other); }

sub heal_all { my ($self) = @_; return $self->command('heal_all', '-', '-'); }

# One direction only: what the first dials at the second.
sub command
{
	my ($self, $verb, $from, $to) = @_;
	my $control = $self->{control};

	print $control "$verb $from $to\n";
	my $answer = <$control>;
	die "the proxy is gone" if !defined $answer;
	return;
}

sub between
{
	my ($self, $verb, $one, $other) = @_;

	foreach my $i (@$one)
	{
		foreach my $j (@$other)
		{
			$self->command($verb, $i, $j);
			$self->command($verb, $j, $i);
		}
	}
	return;
}

sub stop
{
	my ($self) = @_;

	return if !$self->{pid};
	close $self->{control};
	waitpid $self->{pid}, 0;
	$self->{pid} = undef;
	return;
}

# --- the child ---

# A connection has two ends; each has a buffer of bytes read from it and not yet
# written to its partner, and the directed link it belongs to once that is known.
sub serve
{
	my ($control, $listeners, $targets) = @_;
	my %state;    # "from to" => cut or reset
	my %ends;     # fileno => {socket, partner, buffer, eof, link, to}

	while (1)
	{
		my ($read, $write) = (IO::Select->new($control, values %$listeners),
			IO::Select->new);

		foreach my $end (values %ends)
		{
			next if held($end, \%state);
			$read->add($end->{socket})
			  if !$end->{eof} && length $end->{buffer} < CHUNK;
			$write->add($end->{partner}{socket})
			  if $end->{partner} && length $end->{buffer};
		}

		my ($readable, $writable) = IO::Select->select($read, $write, undef, undef);
		next if !defined $readable;

		foreach my $socket (@$readable)
		{
			if ($socket == $control)
			{
				my $line = <$control>;
				return if !defined $line;
				obey($line, \%state, \%ends);
				print $control "ok\n";
				next;
			}
			my ($to) = grep { $listeners->{$_} == $socket } keys %$listeners;
			if (defined $to)
			{
				my $client = $socket->accept or next;
				$client->blocking(0);
				$ends{ fileno $client } =
				  { socket => $client, buffer => '', to => $to };
				next;
			}
			my $end = $ends{ fileno($socket) // -1 } or next;
			read_end($end, \%ends, \%state, $targets);
		}

		foreach my $socket (@$writable)
		{
			my $number = fileno($socket) // next;
			my $end = $ends{$number} or next;
			write_end($end->{partner}, \%ends);
		}
	}
}

# Nothing moves on a cut link.
sub held
{
	my ($end, $state) = @_;
	return defined $end->{link} && ($state->{ $end->{link} } // '') eq 'cut';
}

sub read_end
{
	my ($end, $ends, $state, $targets) = @_;
	my $got = sysread($end->{socket}, $end->{buffer}, CHUNK, length $end->{buffer});

	return if !defined $got && $!{EAGAIN};
	if (!$got)
	{
		$end->{eof} = 1;
		drop($end, $ends) if !length $end->{buffer} || !$end->{partner};
		return;
	}
	dial($end, $ends, $state, $targets) if !$end->{partner};
	return;
}

# Once the startup packet is there, its sender is known and the server is dialled.
sub dial
{
	my ($end, $ends, $state, $targets) = @_;
	my $buffer = $end->{buffer};

	return if length $buffer < 4 || length $buffer < unpack('N', $buffer);

	my ($from) = $buffer =~ /application_name\0raft_pg: (\w+)/;
	$end->{link} = ($from // '?') . " $end->{to}";
	if (($state->{ $end->{link} } // '') eq 'reset')
	{
		drop($end, $ends);
		return;
	}

	my $server = IO::Socket::UNIX->new(Peer => $targets->{ $end->{to} });
	if (!$server)
	{
		drop($end, $ends);
		return;
	}
	$server->blocking(0);
	my $other = {
		socket  => $server,
		buffer  => '',
		partner => $end,
		link    => $end->{link},
		to      => $end->{to}
	};
	$end->{partner} = $other;
	$ends->{ fileno $server } = $other;
	return;
}

# Passes on what was read from this end.
sub write_end
{
	my ($end, $ends) = @_;

	return if !$end || !$end->{partner};
	my $written = syswrite($end->{partner}{socket}, $end->{buffer});
	if (!defined $written)
	{
		drop($end, $ends) if !$!{EAGAIN};
		return;
	}
	substr($end->{buffer}, 0, $written) = '';
	drop($end, $ends) if $end->{eof} && !length $end->{buffer};
	return;
}

sub drop
{
	my ($end, $ends) = @_;
	my @both = ($end, $end->{partner} // ());

	foreach my $one (@both)
	{
		my $number = fileno($one->{socket}) // next;
		delete $ends->{$number};
		$one->{socket}->close;
		delete $one->{partner};
	}
	return;
}

sub obey
{
	my ($line, $state, $ends) = @_;
	my ($verb, $from, $to) = split ' ', $line;

	if    ($verb eq 'heal_all') { %$state = (); }
	elsif ($verb eq 'heal')     { delete $state->{"$from $to"}; }
	else                        { $state->{"$from $to"} = $verb; }

	if ($verb eq 'reset')
	{
		my @broken = grep { ($_->{link} // '') eq "$from $to" } values %$ends;

		drop($_, $ends) foreach @broken;
	}
	return;
}

1;
