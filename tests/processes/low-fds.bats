# A program that has closed one of fds 0 to 2, as daemons do: the library opens files and sockets
# for moments, and leaves that number alone.
load ../lib/helper
load ../lib/each-policy
load ../lib/recycling

policy=auto # each_policy sets it

# reused FD CMD...: CMD runs act, which has closed FD (or none), makes two connections from ports in
# TIME_WAIT, on sockets from before, with unread input on the second one, and closes them.
reused() {
    local sync=$BATS_TEST_TMPDIR/sync closes=(use:z "fd:$1" close)
    [[ $1 != none ]] || closes=()
    rm -f "$LOG" "$sync".*
    serve "$PORT" quiet loop:4 accept readall close end loud accept readall close \
        accept write:6 "sync:$sync.sent" readall close
    NOTIMEWAIT_LOG='' preload auto act quiet loop:4 "connect:$PORT" write:1 close end
    "${@:2}" "$ACT" quiet socket@b socket@c "${closes[@]}" use:b "connect:$PORT" write:100000 \
        wait-acked close use:c "connect:$PORT" "wait-file:$sync.sent" wait-unread:6 write:100000 wait-acked close
    finish server | grep readall
    logged fd action reason recycled
}

as_with_all_open() {
    local fd wanted
    export NOTIMEWAIT_LOG=$LOG NOTIMEWAIT_STATS=$LOG.stats
    wanted=$(reused none preload "$policy")
    echo "$wanted"
    [[ $wanted == *' true'*' true'* ]]
    for fd in 0 1 2; do
        diff <(echo "$wanted") <(reused "$fd" preload "$policy")
    done
}

@test "no policy does anything else, and no byte is lost" {
    ports 4
    ONLY='auto fin-rst abort' each_policy as_with_all_open
}

@test "nothing of ours stays there for more than the moment until it has another number" {
    need strace
    local fd calls
    ports 4
    for fd in 0 1 2; do
        new_port
        reused "$fd" env NOTIMEWAIT_LOG="$LOG" NOTIMEWAIT_STATS="$LOG.stats" strace -f \
            -o "$BATS_TEST_TMPDIR/trace" -E LD_PRELOAD="$LIB"
        # It was given out again, and again; and what was done with it from when it was closed:
        calls=$(sed -nE "s/^[0-9]+ +([a-z0-9_]+\\(${fd}[,)].*) = .*/\1/p" "$BATS_TEST_TMPDIR/trace" |
            sed "0,/^close(${fd})/d; /^exit_group/d" | sort | uniq -c | awk '{ print $1, $2 }')
        echo "$calls"
        [[ $calls =~ ^([0-9]+)" close($fd)"[[:space:]]+([0-9]+)" fcntl($fd,"$ ]]
        [[ ${BASH_REMATCH[1]} -eq ${BASH_REMATCH[2]} && ${BASH_REMATCH[1]} -ge 5 ]]
    done
}
