
=pod

=head1 NAME

RaftStop - holds or breaks the processes of a server at named places

=head1 SYNOPSIS

  use RaftStop;
  my $stop = RaftStop->new($cluster, 'a');
  $stop->set('take', 'wait');
  $stop->wait_reached('take');
  $stop->clear('take');

=head1 DESCRIPTION

A script that says "use RaftStop;" runs with a build that has stop points: see
src/stop_point.h.

=cut

package RaftStop;

use strict;
use warnings;

use PostgreSQL::Test::Utils;

sub new
{
	my ($class, $cluster, $name) = @_;
	my $self = bless {
		cluster   => $cluster,
		directory => $cluster->node($name)->data_dir . '/raft_pg_stop'
	}, $class;

	mkdir $self->{directory} or die "$self->{directory}: $!" if !-d $self->{directory};
	return $self;
}

# From now on; action as in stop_point.h.
sub set
{
	my ($self, $point, $action) = @_;
	my $path = "$self->{directory}/$point";

	unlink "$path.reached";
	PostgreSQL::Test::Utils::append_to_file("$path.new", "$action\n");
	rename "$path.new", $path or die "$path: $!";
	return;
}

# The process that is there, or false when none came in time.
sub wait_reached
{
	my ($self, $point) = @_;
	my $path = "$self->{directory}/$point.reached";

	return $self->{cluster}->wait_until("stop point \"$point\"",
		sub { -s $path && PostgreSQL::Test::Utils::slurp_file($path) =~ /^(\d+)\n/ ? $1 : 0 });
}

sub clear
{
	my ($self, @points) = @_;
	unlink map { ("$self->{directory}/$_", "$self->{directory}/$_.reached") } @points;
	return;
}

1;
