
=pod

=head1 NAME

RaftFrame - messages between nodes, written by hand

=head1 DESCRIPTION

A second, independent writer of the format that src/wire/frame.h describes, so that the
tests can send right, almost right and wrong ones.

=cut

package RaftFrame;

use strict;
use warnings;

use constant {
	VERSION => 1,
	PREVOTE => 1,
	VOTE    => 3,
	APPEND  => 5
};

my @table = map {
	my $crc = $_;
	$crc = $crc & 1 ? ($crc >> 1) ^ 0x82f63b78 : $crc >> 1 foreach 1 .. 8;
	$crc;
} 0 .. 255;

sub crc32c
{
	my ($bytes) = @_;
	my $crc = 0xffffffff;

	$crc = $table[ ($crc ^ $_) & 0xff ] ^ ($crc >> 8) foreach unpack 'C*', $bytes;
	return $crc ^ 0xffffffff;
}

# A frame without entries.  Fields: group (uuid), from, to, boot, term, type, version,
# round, log_index, log_term, commit, floor, rejected, granted, n_entries; records are
# bytes that follow the header.
sub frame
{
	my (%field) = @_;
	(my $group = $field{group}) =~ s/-//g;
	my $records = $field{records} // '';
	my $length  = pack('V', $field{length} // 104 + length $records);
	my $body    = pack('v C C V V V',
		$field{version} // VERSION, $field{type} // APPEND,
		$field{granted} // 0,       $field{from},
		$field{to},                 $field{n_entries} // 0)
	  . pack('H32', $group)
	  . pack('Q<8',
		map { $field{$_} // 0 } qw(boot term round log_index log_term commit floor rejected));

	return $length . pack('V', crc32c($body . $length)) . $body . $records;
}

# One log record.  Fields: index, term, kind, data, crc (to damage it).
sub record
{
	my (%field) = @_;
	my $data   = $field{data} // '';
	my $length = pack('V', $field{length} // 52 + length $data);
	my $body   = pack('Q< Q< Q< Q< V V C x3', @field{qw(index term)}, 0, 0, 0, 0, $field{kind} // 3)
	  . $data;

	return $length . pack('V', $field{crc} // crc32c($body . $length)) . $body;
}

1;
