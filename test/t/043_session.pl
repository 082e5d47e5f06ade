# The session in which commands are applied: its settings are the same on every node,
# whatever configuration, database and role say, at the start and after a reload; and
# nothing that a command leaves behind meets the next one.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Utils;
use RaftCluster;
use Test::More;

my $cluster = RaftCluster->new(nodes => ['a']);
my $node    = $cluster->node('a');

# What would give the same command another meaning, and what it has to be instead.
my %meaning = (
	'transform_null_equals'       => [ 'on',            'off' ],
	'array_nulls'                 => [ 'off',           'on' ],
	'xmloption'                   => [ 'document',      'content' ],
	'xmlbinary'                   => [ 'hex',           'base64' ],
	'search_path'                 => [ 'elsewhere, public', '"$user", public' ],
	'standard_conforming_strings' => [ 'off',           'on' ],
	'quote_all_identifiers'       => [ 'on',            'off' ],
	'datestyle'                   => [ 'German',        'ISO, MDY' ],
	'timezone'                    => [ 'Asia/Tokyo',    'UTC' ],
	'bytea_output'                => [ 'escape',        'hex' ],
	'statement_timeout'           => [ '1h',            '0' ],
	'synchronize_seqscans'        => [ 'on',            'off' ],
	'default_text_search_config'  => [ 'pg_catalog.english', 'pg_catalog.simple' ],
	'plpgsql.variable_conflict'   => [ 'use_column',    'error' ],
	'plpgsql.extra_errors'        => [ 'too_many_rows', 'none' ],
	'plpgsql.check_asserts'       => [ 'off',           'on' ]);
my @names = sort keys %meaning;

$cluster->start;
my $user = $node->safe_psql('postgres', 'SELECT current_user');
foreach my $i (0 .. $#names)
{
	my $name  = $names[$i];
	my $value = $name eq 'search_path' ? $meaning{$name}[0] : "'$meaning{$name}[0]'";
	my $whose = ('DATABASE postgres', "ROLE $user", "ROLE $user IN DATABASE postgres")[ $i % 3 ];
	$node->safe_psql('postgres', "ALTER $whose SET $name = $value");
}
$node->restart;
$cluster->wait_leader;
$node->safe_psql(
	'postgres', q{
	CREATE TABLE public.said (index bigint, command text, value text);
	CREATE FUNCTION public.say(index bigint, command bytea) RETURNS void LANGUAGE plpgsql AS $$
	BEGIN
		IF command LIKE 'do %'::bytea THEN
			EXECUTE substr(convert_from(command, 'UTF8'), 4);
		ELSE
			INSERT INTO public.said VALUES (index, convert_from(command, 'UTF8'),
				current_setting(convert_from(command, 'UTF8')));
		END IF;
	END $$});
$cluster->value('a', q{SELECT public.raft_set_apply('public.say')}) or BAIL_OUT('no apply function');

sub propose
{
	my ($command) = @_;
	return $cluster->client('a')->query("SELECT public.raft_propose(\$c\$$command\$c\$::text)");
}

# As the applier sees it.
sub setting
{
	my ($name) = @_;
	my $index = propose($name)->{rows}[0][0];
	return $cluster->value('a', "SELECT value FROM public.said WHERE index = $index");
}

# --- settings ---

is($cluster->value('a', "SELECT current_setting('transform_null_equals') || current_setting('datestyle')"),
	'onGerman, DMY', 'a session of the database has its settings');
is(setting($_), $meaning{$_}[1], "$_ is the applier's own") foreach @names;

$node->append_conf('postgresql.conf',
	join('', map { "$_ = '$meaning{$_}[0]'\n" } @names) . "work_mem = '77MB'\n");
$node->reload;
ok($cluster->wait_until('the reload', sub { setting('work_mem') eq '77MB' }), 'the configuration file was read again');
is(join(' ', map { setting($_) } @names), join(' ', map { $meaning{$_}[1] } @names), 'and has changed none of them');

my $pid = $cluster->value('a', q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'raft_pg applier'});
kill 'TERM', $pid;
ok( $cluster->wait_until('another applier',
		sub { ($cluster->value('a', q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'raft_pg applier'}) // $pid) != $pid }),
	'another applier has come');
is(join(' ', map { setting($_) } @names), join(' ', map { $meaning{$_}[1] } @names), 'with the same');

# --- leftovers ---

sub advisory_locks { return $cluster->value('a', q{SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'}) }

is(propose('do SELECT pg_advisory_lock(1), pg_try_advisory_lock_shared(2)')->{error}, undef, 'a command takes locks of the session');
is(advisory_locks(), 0, 'they end with it');
is(propose(q{do DO $$ BEGIN PERFORM pg_advisory_lock(3); RAISE division_by_zero; END $$})->{error}{C},
	'22012', 'a command that fails does, too');
is(advisory_locks(), 0, 'they end with it');
foreach my $command ('PREPARE p AS SELECT 1', 'LISTEN anybody', 'CREATE TEMP TABLE t ()', 'SET ROLE pg_monitor')
{
	isnt(propose("do $command")->{error}, undef, "refused: $command");
}

my $other = $cluster->client('a');
$other->query('SELECT pg_advisory_lock(5)');
$cluster->value('a', q{SELECT index FROM public.raft_propose_async('do SELECT pg_advisory_lock(4), pg_advisory_lock(5)'::text)});
$cluster->wait_until('both locks', sub { advisory_locks() == 3 });
$cluster->value('a', q{SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE backend_type = 'raft_pg applier'});
ok($cluster->wait_until('the lock to go', sub { advisory_locks() == 1 }), 'they end when this server fails in the middle, too');
$other->close;
is(propose('work_mem')->{error}, undef, 'and the command is tried again');
is(advisory_locks(), 0, 'leaving nothing');

done_testing();
