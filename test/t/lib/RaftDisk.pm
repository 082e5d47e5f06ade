
=pod

=head1 NAME

RaftDisk - servers whose disk stands still when it is told to

=head1 SYNOPSIS

  my $disk = RaftDisk->new($cluster);
  $disk->start_servers;
  $disk->stop('a');
  $disk->wait_stuck('a');
  $disk->go_on('a');

=head1 DESCRIPTION

Whoever wants WAL on disk waits: see disk.c.

=cut

package RaftDisk;

use strict;
use warnings;

use File::Basename qw(dirname);
use PostgreSQL::Test::Utils;
use Test::More;

sub new
{
	my ($class, $cluster) = @_;
	my $preload = PostgreSQL::Test::Utils::tempdir() . '/disk.so';

	system('cc', '-Wall', '-shared', '-fPIC', '-o', $preload, dirname(__FILE__) . '/disk.c', '-ldl') == 0
	  or BAIL_OUT('could not compile the disk');
	return bless { cluster => $cluster, preload => $preload }, $class;
}

sub start_servers
{
	my ($self) = @_;

	$self->go_on($_) foreach $self->{cluster}->names;
	local $ENV{LD_PRELOAD} = $self->{preload};
	$self->{cluster}->start_servers;
	return;
}

sub path
{
	my ($self, $name) = @_;
	return $self->{cluster}->node($name)->data_dir . '/disk';
}

# Written in place: the servers have it mapped.
sub set
{
	my ($self, $name, $stands_still) = @_;
	my $path = $self->path($name);

	open my $file, -e $path ? '+<' : '>', $path or die "$path: $!";
	syswrite $file, -s $path ? pack('l', $stands_still) : pack('ll', $stands_still, 0);
	close $file;
	return;
}

sub stop  { my ($self, $name) = @_; return $self->set($name, 1); }
sub go_on { my ($self, $name) = @_; return $self->set($name, 0); }

# Until somebody waits for the disk.
sub wait_stuck
{
	my ($self, $name) = @_;
	return $self->{cluster}->wait_until("somebody to wait for the disk of $name",
		sub { (unpack 'll', PostgreSQL::Test::Utils::slurp_file($self->path($name)))[1] > 0 });
}

1;
