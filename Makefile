# raft_pg: Raft consensus between PostgreSQL servers.
#
#   make help                     this list
#   make demo [KEEP=1]            three servers on this machine, start to end
#   make check                    every test; writes nothing outside a temporary directory
#   make check-versions PG_SOURCES='/tree ..'     the same on servers built from source, with assertions
#   make [install] [PG_CONFIG=]   build and install, as with any PGXS extension
#   make installcheck             SQL tests in a running server that preloads raft_pg
#   make ladder [SEEDS=] [TEST= SEED= TRACE=1]     the laboratory's tests
#   make scripts [REWRITE=1]      scripted races, compared line by line
#   make coverage [SEEDS=]        lines and branches of src/core and src/wire that they reach
#   make simulate SEEDS=1000000   anything that can happen to a group, drawn from seeds
#   make replay FILE= [TRACE=1]   what servers recorded (raft_pg.record_events)
#   make mutants [MUTANT=]        old bugs put back, of the algorithm and of the servers: each must be found
#   make fuzz [SECONDS=60]        any bytes, for the decoders and a core
#   make explore [SECONDS=600]    every order of events, as deep as the time allows
#   make bench [CLIENTS= DURATION= ROUNDS=]        beside quorum replication; also IDLE=30, MEMORY=10min, FAILOVER=20

PG_CONFIG ?= pg_config

# The sources, as seen from the build directory: a VPATH build begins in an empty one.
here := $(patsubst %/,%,$(dir $(lastword $(MAKEFILE_LIST))))

MODULE_big = raft_pg
EXTENSION = raft_pg
DATA = raft_pg--1.0.sql
PGFILEDESC = "raft_pg - Raft consensus between PostgreSQL servers"

OBJS = \
	src/api/cluster.o src/api/identity.o src/api/members.o src/api/propose.o src/api/sessions.o src/api/skip.o src/api/start.o \
	src/api/state.o src/api/statement.o src/api/stats.o src/api/wait.o \
	src/apply/applier.o src/apply/batch.o src/apply/command.o src/apply/kinds.o src/apply/machine.o src/apply/session.o src/apply/skip.o \
	src/client/outcome.o src/client/proposals.o src/client/propose.o src/client/queue.o src/client/slots.o src/client/waiting.o \
	src/core/append.o src/core/convert.o src/core/election.o src/core/membership.o src/core/progress.o \
	src/core/replication.o src/core/step.o src/core/trail.o src/core/writes.o \
	src/group/blockers.o src/group/group.o src/group/launcher.o src/group/life.o src/group/lifecycle.o src/group/process.o \
	src/group/published.o src/group/starts.o \
	src/guard.o src/host.o src/raft_pg.o src/reminder.o src/settings.o src/stop_point.o \
	src/log/identity.o src/log/page_write.o src/log/pages.o src/log/reader.o src/log/recover.o src/log/ring.o \
	src/log/scan.o src/log/tableam.o src/log/writer.o \
	src/net/answer.o src/net/ask.o src/net/conninfo.o src/net/environment.o src/net/inbox.o src/net/link.o src/net/lookup.o src/net/peer.o \
	src/net/peer_log.o src/net/refusals.o src/net/stream.o \
	src/node/actions.o src/node/boot.o src/node/flusher.o src/node/formation.o src/node/held.o src/node/publish.o src/node/recorder.o \
	src/node/space.o src/node/worker.o \
	src/tables/applied.o src/tables/failures.o src/tables/node.o src/tables/resets.o src/tables/skips.o src/tables/table.o \
	src/wire/config.o src/wire/eventlog.o src/wire/frame.o src/wire/names.o src/wire/record.o

REGRESS = $(sort $(notdir $(basename $(wildcard $(here)/sql/*.sql))))
ISOLATION = $(sort $(notdir $(basename $(wildcard $(here)/test/specs/*.spec))))
ISOLATION_OPTS = --inputdir=$(here)/test --load-extension=raft_pg

# PostgreSQL's headers count as system headers: -Wall -Wextra judges raft_pg alone.
PG_CPPFLAGS = -isystem $(includedir_server) -isystem $(libpq_srcdir) -I$(srcdir)/src
# Places where tests hold or break a process (src/stop_point.h), and bounds that a test can
# reach; never for a real server.
ifdef STOP_POINTS
PG_CPPFLAGS += -DRAFT_STOP_POINTS -DRAFT_MAX_RUNS=16
# in the library, which shows its inside to nobody
OBJS += test/host/inbox_test.o test/host/log_damage_test.o test/host/log_harness.o test/host/log_model.o test/host/log_test.o
endif

PG_CFLAGS = -std=gnu11 -pthread -fvisibility=hidden -Wall -Wextra -Wno-unused-parameter -Wno-declaration-after-statement
SHLIB_LINK_INTERNAL = $(libpq)
SHLIB_LINK = -pthread

# Bitcode for inlining into JIT-compiled queries brings nothing here.
override with_llvm = no

# Goals that need neither PGXS nor a server to be installed beforehand; PGXS has a
# "check" of its own that only says it is not supported.
own_goals = help check check-versions demo ladder simulate mutants replay bench scripts coverage fuzz explore

ifneq (,$(filter-out $(own_goals),$(or $(MAKECMDGOALS),all)))

PGXS := $(shell $(PG_CONFIG) --pgxs)
ifeq (,$(wildcard $(PGXS)))
$(error $(PG_CONFIG) does not lead to PGXS: install postgresql-server-dev, or set PG_CONFIG)
endif

REGRESS_PREP = server-preloads
EXTRA_CLEAN = build

include $(PGXS)

# Debian's PGXS tracks no header dependencies.
$(OBJS): $(wildcard $(srcdir)/src/*.h $(srcdir)/src/*/*.h $(srcdir)/test/host/*.h)

# By absolute names, or make would find the directories of the sources through VPATH.
object_directories := $(addprefix $(CURDIR)/,$(sort $(dir $(OBJS))))
$(OBJS): | $(object_directories)
$(object_directories):
	@mkdir -p $@

clean: clean-laboratory

# A server of pg_regress's own is set up by its options.
server-preloads:
ifeq (,$(findstring --temp-instance,$(REGRESS_OPTS) $(EXTRA_REGRESS_OPTS)))
	@libraries=$$('$(bindir)/psql' -XAtq -d postgres -c 'SHOW shared_preload_libraries') || exit 1; \
	case ",$$libraries," in \
		*raft_pg*) ;; \
		*) echo "make installcheck: the server must have shared_preload_libraries = 'raft_pg' and be restarted" >&2; \
		   exit 1;; \
	esac
endif

endif

ifneq (,$(filter check,$(MAKECMDGOALS)))
check:
	@PG_CONFIG='$(PG_CONFIG)' $(here)/test/run
endif

check-versions:
	@PG_SOURCES='$(PG_SOURCES)' PG_SUITE='$(PG_SUITE)' $(here)/test/versions

# the list at the head of this file
help:
	@sed -n '/^#   make/s/^# //p; /^$$/q' '$(firstword $(MAKEFILE_LIST))'

demo:
	@PG_CONFIG='$(PG_CONFIG)' $(here)/test/demo/run

bench:
	@PG_CONFIG='$(PG_CONFIG)' $(here)/test/bench/propose

# Of the algorithm, in the laboratory, and of the host, in servers.  One name may be both's;
# the laboratory says when it is nobody's.
mutant := $(if $(filter command,$(firstword $(origin MUTANT))),$(MUTANT))
mutants:
	@if ! grep -q '^$(mutant) ' $(here)/test/mutants || \
		grep -q 'MUTANT_$(mutant)\>' $(here)/src/core/mutants.h $(here)/test/sim/host_mutants.h; then \
		$(MAKE) --no-print-directory -C $(here)/test/sim $@; \
	fi
	@if [ -z '$(mutant)' ] || grep -q '^$(mutant) ' $(here)/test/mutants; then \
		PG_CONFIG='$(PG_CONFIG)' ONLY=mutants MUTANT='$(mutant)' $(here)/test/run; \
	fi

ladder simulate scripts coverage replay:
	@$(MAKE) --no-print-directory -C $(here)/test/sim $@

fuzz explore:
	@$(MAKE) --no-print-directory -C $(here)/test/$@ $@

clean-laboratory:
	$(MAKE) -C $(here)/test/sim clean

.PHONY: $(own_goals) server-preloads clean-laboratory
