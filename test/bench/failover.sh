# failover.sh
#     How long nothing is acknowledged when the leader's server goes.  Sourced by propose.
#
# On each of the two other servers psql proposes again and again, with pauses of 5 ms; the
# first command that either gets acknowledged ends the measurement.

FAULTS=${FAULTS:-kill stop}

write_probe()
{
    as_user tee "$work/probe.once" >/dev/null <<'END'
SELECT raft_propose('probe'::text, '10s') AS index \gset
\if :{?index}
SELECT extract(epoch FROM clock_timestamp());
\q
\endif
SELECT pg_sleep(0.005) \gset
END
    { echo "SELECT 'ready';"; for _ in $(seq 10000); do cat "$work/probe.once"; done; } |
        as_user tee "$work/probe.sql" >/dev/null
}

# begin_probe node: sets "probe".
begin_probe()
{
    as_user psql -XAtq -h "$work/run" -p "${port[$1]}" -U postgres -d plain -f "$work/probe.sql" \
        >"$work/probe.$1" 2>/dev/null </dev/null &
    probe=$!
}

# All three follow one leader over open streams, and have applied all there is.
settled()
{
    local node

    for node in a b c; do
        sql $node plain "SELECT leader, applied_index = last_index, has_quorum OR role <> 'leader',
            (SELECT bool_and(link = 'streaming' AND incoming) FROM pg_stat_raft_replication) FROM raft_state()" || return 1
    done | sort -u | awk -F '|' '{ ok = $1 != "" && $2 == "t" && $3 == "t" && $4 == "t" } END { print NR == 1 && ok ? "t" : "f" }'
}

ended()
{
    local pid

    for pid in "$@"; do
        ! grep -qs '^State:.[^ZX]' "/proc/$pid/status" || { echo f; return; }
    done
    echo t
}

strike()
{
    case $1 in
        kill) kill -KILL "$postmaster" ;;
        stop) kill -STOP "$postmaster" $children ;;
        *) die "unknown fault \"$1\"" ;;
    esac
}

mend()
{
    case $1 in
        kill)
            wait_for 'end of the server' ended "$postmaster" $children
            rm -f "$work/$2/postmaster.pid"
            wait_crashed "$postmaster" "$work/$2" "$work/run/.s.PGSQL.${port[$2]}"
            start_server "$2"
            ;;
        stop) kill -CONT $children "$postmaster" ;;
    esac
}

# one_failover fault: milliseconds until the first acknowledgement elsewhere, appended to a file.
one_failover()
{
    local fault=$1 leader node probes= others= begin

    wait_for 'settled group' settled
    leader=$(raft_leader plain)
    postmaster=$(head -n 1 "$work/$leader/postmaster.pid")
    for node in a b c; do
        [ $node != "$leader" ] || continue
        begin_probe $node
        probes="$probes $probe" others="$others $work/probe.$node"
    done
    # shellcheck disable=SC2086
    wait_for 'probes' sh -c "grep -l ready $others | awk 'END { print NR == 2 ? \"t\" : \"f\" }'"
    sleep "0.$((RANDOM % 900 + 100))"
    children=$(children_of "$leader" | xargs)
    begin=$EPOCHREALTIME
    strike "$fault"
    wait_for 'acknowledgement elsewhere' sh -c "cat $others | grep -q '^[0-9]' && echo t"
    cat $others | sed -n '/^[0-9]/p' | sort -n |
        awk -v begin="$begin" 'NR == 1 { printf "%.0f\n", ($1 - begin) * 1000 }' >>"$work/failover.$fault"
    # shellcheck disable=SC2086
    kill $probes 2>/dev/null || true
    # shellcheck disable=SC2086
    wait $probes 2>/dev/null || true
    mend "$fault" "$leader"
}

measure_failover()
{
    local rounds=$1 round fault

    for node in a b c; do
        sql $node postgres 'DROP DATABASE upsert'
    done
    write_probe
    for round in $(seq "$rounds"); do
        for fault in $FAULTS; do
            one_failover "$fault"
        done
    done
    printf '\nFirst acknowledgement elsewhere, in ms, default settings, %d rounds each:\n' "$rounds"
    printf '%-28s %8s %8s %8s %8s\n' 'the leader'\''s server' least median p95 most
    for fault in $FAULTS; do
        sort -n "$work/failover.$fault" | awk -v fault="$fault" '
            { v[NR] = $1 }
            function at(share) { i = int(NR * share + 0.5); return v[i < 1 ? 1 : i] }
            END { printf "%-28s %8d %8d %8d %8d\n", fault == "kill" ? "is killed (kill -9)" : "stands still (SIGSTOP)",
                v[1], at(0.50), at(0.95), v[NR] }'
    done
    for fault in $FAULTS; do
        echo "$fault: $(sort -n "$work/failover.$fault" | xargs)"
    done
}
