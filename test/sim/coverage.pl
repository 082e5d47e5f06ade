#!/usr/bin/perl
#
# coverage.pl OBJECT_FOLDER SOURCE_FOLDER ..
#
# Sums up what gcov says about the core and its codecs: per file, which part of the lines and
# of the branches was reached, and below each line and branch that was not.
#
# The branches of an assertion are not counted: the one in which it fails must
# never be taken.  Everything from "raft_assert(" to its ");" is left out of the
# branches; its lines count as lines.
#
use strict;
use warnings;

my ($objects, @folders) = @ARGV;
my (%total, @missed);

printf "%-20s %15s %15s\n", 'src', 'lines', 'branches';
foreach my $source (grep { !m{/example\.c$} } map { sort glob("$_/*.c") } @folders)
{
	my ($folder, $name) = $source =~ m{([^/]+)/([^/]+)\.c$};
	my %count = map { $_ => 0 } qw(lines lines_hit branches branches_hit);
	my ($line, $text, $asserting, $closing) = (0, '', 0, 0);

	open(my $gcov, '-|', "cd '$objects' && gcov -b -c -t '${folder}_$name.gcda' 2>/dev/null")
	  or die "gcov does not run: $!";
	my $ours = 0;
	while (<$gcov>)
	{
		if (/^\s*-:\s*0:Source:(.*)$/)
		{
			$ours = $1 =~ m{/\Q$name\E\.c$};	# not the headers
			next;
		}
		next unless $ours;
		if (/^\s*([^:]+?)\s*:\s*(\d+):(.*)$/ && $2 > 0)
		{
			my $runs = $1;
			($line, $text) = ($2, $3);
			$asserting = 0 if $closing;
			$asserting = 1 if $text =~ /\braft_assert\(/;
			$closing = $asserting && $text =~ /\);\s*$/;
			next if $runs eq '-';
			$count{lines}++;
			if ($runs =~ /^[#=]+$/) { push @missed, "$folder/$name.c:$line: never runs: $text" }
			else { $count{lines_hit}++ }
		}
		elsif (/^branch\s+(\d+) (taken (\d+)|never executed)/ && !$asserting)
		{
			$count{branches}++;
			if ($2 ne 'never executed' && $3 > 0) { $count{branches_hit}++ }
			else { push @missed, "$folder/$name.c:$line: branch $1 is never taken: $text" }
		}
	}
	close($gcov);
	print_row("$folder/$name.c", \%count);
	$total{$_} += $count{$_} foreach keys %count;
}
print_row('all', \%total);
s/\s+/ /g foreach @missed;
print "$_\n" foreach @missed;
exit(@missed > 0 ? 1 : 0);

sub print_row
{
	my ($name, $count) = @_;

	printf "%-20s %5d of %-6d %5d of %-6d\n", $name, $count->{lines_hit}, $count->{lines},
	  $count->{branches_hit}, $count->{branches};
	return;
}
