
=pod

=head1 NAME

RaftClock - a wall clock that can be set, for servers

=head1 SYNOPSIS

  my $clock = RaftClock->new;
  $clock->run(sub { $cluster->start_servers });
  $clock->set(-3600);

=cut

package RaftClock;

use strict;
use warnings;

use File::Basename qw(dirname);
use PostgreSQL::Test::Utils;
use Test::More;

sub new
{
	my ($class) = @_;
	my $directory = PostgreSQL::Test::Utils::tempdir();
	my $self = bless { file => "$directory/clock", library => "$directory/clock.so" }, $class;

	system('cc', '-Wall', '-shared', '-fPIC', '-o', $self->{library}, dirname(__FILE__) . '/clock.c', '-ldl') == 0
	  or BAIL_OUT('could not compile the clock');
	$self->set(0);
	return $self;
}

# Seconds by which the clock is wrong.  Written in place: the servers have it mapped.
sub set
{
	my ($self, $seconds) = @_;

	open my $file, -e $self->{file} ? '+<' : '>', $self->{file} or die "$self->{file}: $!";
	syswrite $file, pack('q', $seconds * 1_000_000);
	close $file;
	return;
}

# What is started in here has this clock.
sub run
{
	my ($self, $start) = @_;
	local $ENV{RAFT_TEST_CLOCK} = $self->{file};
	local $ENV{LD_PRELOAD}      = $self->{library};
	return $start->();
}

1;
