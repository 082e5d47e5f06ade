# server.sh
#     What the test runner, the demo and the benchmark share: packages, a private
#     copy of the PostgreSQL tree, building into it, and leaving root behind.
#
# Sourced by bash scripts.  They set "work" (an empty directory of their own) before
# prepare_server; afterwards these are set:
#     pg_config    pg_config of the private tree below $work/server
#     bin          its program directory
#     source       a copy of the sources, in which the build took place

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

die()
{
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

# The major version that Debian's own "postgresql" package stands for.
distribution_version()
{
    apt-cache show postgresql 2>/dev/null |
        sed -n 's/^Depends:.*postgresql-\([0-9][0-9]*\).*/\1/p' | head -n 1
}

# True when this pg_config leads to a server, its headers and its test programs.
complete_server()
{
    local pgxs

    pgxs=$("$1" --pgxs 2>/dev/null) && [ -f "$pgxs" ] &&
        [ -x "$("$1" --bindir)/postgres" ] && [ -x "$("$1" --bindir)/psql" ] &&
        [ -f "$("$1" --includedir-server)/postgres.h" ] &&
        [ -f "$("$1" --includedir)/libpq-fe.h" ] &&
        [ -x "${pgxs%/makefiles/pgxs.mk}/test/regress/pg_regress" ]
}

# Sets PG_CONFIG to a usable one: the caller's, else the newest below /usr/lib/postgresql.
find_server()
{
    local candidate

    PG_CONFIG=${PG_CONFIG:-pg_config}
    complete_server "$PG_CONFIG" && return 0
    [ "$PG_CONFIG" = pg_config ] || return 1
    for candidate in $(ls -d /usr/lib/postgresql/*/bin/pg_config 2>/dev/null | sort -t/ -k5,5nr); do
        if complete_server "$candidate"; then
            PG_CONFIG=$candidate
            return 0
        fi
    done
    return 1
}

# Prints what is missing, one package a line.
missing_packages()
{
    local version

    command -v make >/dev/null || echo make
    command -v gcc >/dev/null || echo gcc
    [ -e /usr/include/stdio.h ] || echo libc6-dev
    if ! find_server; then
        version=$(distribution_version)
        version=${version:-15}
        printf '%s\n' "postgresql-$version" "postgresql-server-dev-$version" libpq-dev
    fi
    if [ "${1:-}" = tests ]; then
        perl -MIPC::Run -MTest::More -e 1 2>/dev/null || echo libipc-run-perl
        command -v openssl >/dev/null || echo openssl
    fi
    if [ "$(id -u)" = 0 ]; then
        command -v setpriv >/dev/null || echo util-linux
    fi
}

# need_packages [tests]: installs what is missing where that is allowed.
need_packages()
{
    local missing conf=/etc/postgresql-common/createcluster.d/raft_pg-no-cluster.conf

    # No package brings a server that was asked for by its path.
    [ "${PG_CONFIG:-pg_config}" = pg_config ] || complete_server "$PG_CONFIG" ||
        die "$PG_CONFIG does not lead to a server with its headers and test programs"

    missing=$(missing_packages "$@" | xargs)
    if [ -z "$missing" ]; then
        find_server
        return
    fi

    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
        die "these packages are missing: $missing
Install them (apt-get install $missing), or run this as root."
    fi

    echo "installing packages: $missing"
    apt-get update -q >"$work/apt.log" 2>&1 || true

    # Before the first update the distribution's version could not be known.
    missing=$(missing_packages "$@" | xargs)

    # Only the programs are wanted, not a server of the system that starts at once.
    mkdir -p "${conf%/*}"
    echo 'create_main_cluster = false' >"$conf"
    # shellcheck disable=SC2086
    if ! DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends \
        $missing >>"$work/apt.log" 2>&1 </dev/null; then
        rm -f "$conf"
        tail -n 20 "$work/apt.log" >&2
        die "could not install: $missing"
    fi
    rm -f "$conf"

    missing=$(missing_packages "$@" | xargs)
    [ -z "$missing" ] || die "still missing after the installation: $missing"
    find_server
}

# PostgreSQL refuses to run as root: then its servers run as postgres, else nobody.
choose_user()
{
    server_user=
    [ "$(id -u)" = 0 ] || return 0
    server_user=nobody
    id postgres >/dev/null 2>&1 && server_user=postgres
    chmod 755 "$work"
    chown "$server_user" "$work"
}

# as_user command...: runs it without root's rights and without the caller's environment.
as_user()
{
    local drop=()

    if [ -n "$server_user" ]; then
        drop=(setpriv "--reuid=$server_user" "--regid=$(id -g "$server_user")" --clear-groups)
    fi
    "${drop[@]}" env -i PATH="$bin:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin" HOME="$work" \
        LANG=C.UTF-8 LC_ALL=C.UTF-8 TZ=UTC "$@"
}

# A copy of the server's tree finds its own files relative to its programs, so that the
# extension is installed there and nothing of the system is written.
copy_server()
{
    local root=$work/server directory entry

    for directory in --bindir --sharedir --pkglibdir; do
        directory=$("$PG_CONFIG" "$directory")
        [ -e "$root$directory" ] && continue
        mkdir -p "$root$(dirname "$directory")"
        cp -a "$directory" "$root$directory"
    done
    for directory in --includedir --libdir --pkgincludedir --includedir-server; do
        directory=$("$PG_CONFIG" "$directory")
        if [ ! -e "$root$directory" ]; then
            mkdir -p "$root$(dirname "$directory")"
            ln -s "$directory" "$root$directory"
        elif [ ! -L "$root$directory" ]; then
            for entry in "$directory"/*; do
                [ -e "$root$entry" ] || ln -s "$entry" "$root$entry" 2>/dev/null || true
            done
        fi
    done

    bin=$root$("$PG_CONFIG" --bindir)
    pg_config=$bin/pg_config
    [ "$("$pg_config" --bindir)" = "$bin" ] ||
        die "the copied pg_config in $bin does not report its own directory"
}

# copy_sources directory: without what a build has left among them.
copy_sources()
{
    mkdir "$1"
    (cd "$top" && tar -c --exclude=./.git --exclude='*.o' --exclude='*.so' --exclude='*.bc' \
        --exclude=./build --exclude=./tmp_check . ) | tar -x -C "$1" --no-same-owner
    [ -z "$server_user" ] || chown -R "$server_user" "$1"
}

# prepare_server [make variable=value...]: sources copied, built and installed.
prepare_server()
{
    choose_user
    copy_server
    source=$work/source
    copy_sources "$source"
    [ -z "$server_user" ] || chown -R "$server_user" "$work/server"
    as_user make -s -C "$source" -j "$(nproc)" PG_CONFIG="$pg_config" "$@" all \
        >"$work/build.log" 2>&1 </dev/null || return 1
    as_user make -s -C "$source" PG_CONFIG="$pg_config" "$@" install \
        >>"$work/build.log" 2>&1 </dev/null
}

# prepare_stop_points [make variable=value...]: the same build with stop points
# (src/stop_point.h) in a second tree, whose programs are in "stop_bin".
prepare_stop_points()
{
    local root=$work/stop

    cp -al "$work/server" "$root"
    copy_sources "$work/stop-source"
    stop_bin=$root${bin#"$work/server"}
    as_user make -s -C "$work/stop-source" -j "$(nproc)" PG_CONFIG="$stop_bin/pg_config" STOP_POINTS=1 "$@" all install \
        >>"$work/build.log" 2>&1 </dev/null
}

# prepare_old_server [make variable=value...]: a tree of the server of OLD_PG_CONFIG in $work/old,
# whose programs are in "old_bin".
prepare_old_server()
{
    mkdir "$work/old"
    old_bin=$(
        work=$work/old PG_CONFIG=$OLD_PG_CONFIG
        prepare_server "$@" && echo "$bin"
    )
}

# wait_crashed pid data-directory socket: after a SIGKILL to the postmaster.  Where nobody reaps
# orphans at once, its zombie keeps the lock files valid.
wait_crashed()
{
    local tries=0

    while [ -e "/proc/$1" ] && [ $((tries += 1)) -lt 200 ]; do sleep 0.01; done
    ! grep -q '^State:.Z' "/proc/$1/status" 2>/dev/null || rm -f "$2/postmaster.pid" "$3.lock"
}

# Ends the servers whose data directories lie below $work, whoever started them.
stop_servers()
{
    local file pid pids= tries=0

    [ -d "${work:-}" ] || return 0
    while read -r file; do
        pid=$(head -n 1 "$file" 2>/dev/null) || continue
        [ "$(readlink "/proc/$pid/cwd" 2>/dev/null)" = "$(dirname "$file")" ] || continue
        kill -QUIT "$pid" 2>/dev/null && kill -CONT "$pid" 2>/dev/null
        pids="$pids $pid"
    done < <(find "$work" -name postmaster.pid 2>/dev/null)

    # An immediate shutdown ends stubborn children after five seconds by itself.
    for pid in $pids; do
        while kill -0 "$pid" 2>/dev/null && [ $((tries += 1)) -lt 200 ]; do sleep 0.05; done
        kill -KILL "$pid" 2>/dev/null || true
    done
}
