# workers.sh
#     Memory of the workers, and what an idle group costs.  Sourced by propose.
#
# Processes are known by their titles: the flusher and the launcher are connected to no
# database, and PostgreSQL's views do not show them.

# The processes of a server.
children_of()
{
    local file

    grep -ls "^PPid:[[:space:]]*$(head -n 1 "$work/$1/postmaster.pid")\$" /proc/[0-9]*/status |
        while IFS=/ read -r _ _ file _; do echo "$file"; done
}

# Node, kind, database and process id of everything that belongs to a group, one a line.
processes()
{
    local node pid title

    for node in a b c; do
        for pid in $(children_of $node); do
            title=$(tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null) || continue
            if [[ $title =~ raft_pg\ (node|applier|flusher):\ ([a-z]+) ]]; then
                echo "$node ${BASH_REMATCH[1]} ${BASH_REMATCH[2]} $pid"
            elif [[ $title =~ :\ postgres\ ([a-z]+)\ .*Raft\ stream\ of ]]; then
                echo "$node stream ${BASH_REMATCH[1]} $pid"
            elif [[ $title =~ raft_pg\ launcher ]]; then
                echo "$node launcher - $pid"
            fi
        done
    done | sort
}

# Memory of its own in kB, pages that it shares with others by halves or thirds: what a fork
# has not yet changed belongs to the postmaster, too, and shared memory is fixed at the
# server's start.
private_memory()
{
    { awk '/^Pss_Anon:/ { print $2 }' "/proc/$1/smaps_rollup" 2>/dev/null; awk '/^RssAnon:/ { print $2 }' "/proc/$1/status"; } |
        head -n 1
}

workers() { processes | grep -vE ' (stream|launcher) '; }

show_memory()
{
    local node kind database pid

    printf '\nPrivate memory of the workers, %s:\n' "$1"
    workers | while read -r node kind database pid; do
        printf '    %-2s %-8s %-10s %7d kB\n' "$node" "$database" "$kind" "$(private_memory "$pid")"
    done
}

memory_total()
{
    local pid

    workers | while read -r _ _ _ pid; do private_memory "$pid"; done | awk '{ sum += $1 } END { print sum }'
}

watch_memory()
{
    local spelled=$1 seconds begin first last

    seconds=${spelled%%[a-z]*}
    case $spelled in
        *min) seconds=$((seconds * 60)) ;;
        *h) seconds=$((seconds * 3600)) ;;
    esac

    load raft+upsert 16 20
    load raft 16 10
    first=$(memory_total)
    show_memory 'after the first 30 s under load'
    begin=$SECONDS
    printf '\n%10s %12s %14s\n' 'second' 'writes/s' 'all workers kB'
    while [ $((SECONDS - begin)) -lt "$seconds" ]; do
        load raft+upsert 16 $((seconds < 60 ? seconds : 30))
        last=$(memory_total)
        printf '%10d %12s %14d\n' $((SECONDS - begin)) "$(figures | cut -d' ' -f1)" "$last"
    done
    show_memory 'at the end'
    printf '\nGrowth of all of them together: %d kB\n' $((last - first))
    [ $((last - first)) -lt 4096 ] || die 'the memory of the workers grows'
}

# Each process with nanoseconds on a processor and how often it went to sleep, so far.
usage()
{
    local node kind database pid

    processes | while read -r node kind database pid; do
        echo "$node $kind $pid $(cut -d' ' -f1 "/proc/$pid/schedstat")" \
            "$(awk '/^voluntary_ctxt_switches:/ { print $2 }' "/proc/$pid/status") $(private_memory "$pid")"
    done
}

messages_sent()
{
    sql "$1" plain 'SELECT sum(sent_messages) FROM pg_stat_raft_replication'
}

# What the group in database "plain" costs while nobody proposes.
watch_idle()
{
    local seconds=$1 leader messages node

    for node in a b c; do
        sql $node postgres 'DROP DATABASE upsert'
    done
    leader=$(raft_leader plain)
    sleep 3
    usage >"$work/usage.before"
    messages=$(messages_sent "$leader")
    sleep "$seconds"
    messages=$(($(messages_sent "$leader") - messages))
    usage >"$work/usage.after"
    awk -v leader="$leader" -v seconds="$seconds" -v messages="$messages" '
        NR == FNR { ns[$3] = $4; sleeps[$3] = $5; next }
        FNR == 1 { printf "\n%-4s %-9s %-9s %12s %12s %12s\n", "node", "role", "process", "% of a core", "wake-ups/s", "private kB" }
        $3 in ns {
            cpu = ($4 - ns[$3]) / 1e7 / seconds
            sum += cpu
            memory += $6
            printf "%-4s %-9s %-9s %12.3f %12.1f %12d\n", $1, $1 == leader ? "leader" : "follower", $2, cpu,
                ($5 - sleeps[$3]) / seconds, $6 }
        END {
            printf "\nIdle for %d s: all processes of raft_pg on the three servers use %.2f %% of a core and %d kB,\n", seconds, sum, memory
            printf "the leader sends %.1f messages a second to each peer\n", messages / seconds / 2 }' \
        "$work/usage.before" "$work/usage.after"
}
