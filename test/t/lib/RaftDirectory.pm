
=pod

=head1 NAME

RaftDirectory - what happens to the data directory of a stopped server

=cut

package RaftDirectory;

use strict;
use warnings;

use File::Copy ();
use File::Find ();
use File::Path ();
use PostgreSQL::Test::Utils;

# A copy as an operator makes it, with owners and times.
sub copy
{
	my ($from, $to) = @_;
	PostgreSQL::Test::Utils::system_or_bail('cp', '-a', $from, $to);
	return $to;
}

# Puts another directory in the place of a server's own, which is returned under its new
# name.
sub replace
{
	my ($node, $by) = @_;
	my $kept = $node->data_dir . '.' . ++$RaftDirectory::kept;

	rename $node->data_dir, $kept or die "rename: $!";
	copy($by, $node->data_dir);
	chmod 0700, $node->data_dir;
	return $kept;
}

# Puts a directory that replace() has moved away back.
sub put_back
{
	my ($node, $kept) = @_;

	File::Path::remove_tree($node->data_dir);
	rename $kept, $node->data_dir or die "rename: $!";
	return;
}

# Sets the contents of a directory back to an earlier state, as a snapshot of the disk does: a
# file that exists stays the same file.
sub set_back
{
	my ($node, $image) = @_;
	my $data = $node->data_dir;
	my %there;

	File::Find::find({ no_chdir => 1, wanted => sub {
			my $path = substr $File::Find::name, length $image;
			$there{$path} = 1;
			mkdir "$data$path" if -d $File::Find::name && !-d "$data$path";
			overwrite($File::Find::name, "$data$path") if -f $File::Find::name;
		} }, $image);
	File::Find::finddepth({ no_chdir => 1, wanted => sub {
			return if $there{ substr $File::Find::name, length $data };
			-d $File::Find::name ? rmdir $File::Find::name : unlink $File::Find::name;
		} }, $data);
	return;
}

sub overwrite
{
	my ($from, $to) = @_;
	my $mode = -e $to ? '+<' : '>';

	open my $in, '<:raw', $from or die "$from: $!";
	open my $out, "$mode:raw", $to or die "$to: $!";
	File::Copy::copy($in, $out) or die "$to: $!";
	truncate $out, -s $from or die "$to: $!";
	close $out or die "$to: $!";
	return;
}

1;
