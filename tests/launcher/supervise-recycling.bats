# notimewait --by supervise: ports in TIME_WAIT are taken over from outside by the rules of inside
# (recycling/recycling.bats), and where the command has namespaces of its own.
# shellcheck disable=SC2153 # BUILD is the helper's
# shellcheck disable=SC2154 # run_recycle sets them
load ../lib/helper
load ../lib/recycling
load ../lib/user

START=$BUILD/notimewait

# supervised WORD...: recycle (tests/tools/recycle.c) under auto, to a peer of its own. It pauses, so
# that the server keeps up: what is not in TIME_WAIT yet cannot be taken over, and a connect() that
# fails for that is not seen from outside.
supervised() {
    run_recycle "$START" --by supervise "$BUILD/tests/recycle" port="$(port)" pause=1000 "$@"
}

@test "IPv6, v4-mapped addresses, non-blocking sockets" {
    local how
    for how in family=6 family=46 nonblock=1 'family=6 nonblock=1'; do
        ports 60 # of its own: what another supervisor has bound is not known
        # shellcheck disable=SC2086 # words
        supervised n=300 $how
        [[ $failed -eq 0 && $whole -eq 300 && $broken -eq 0 && $resets -eq 0 ]]
    done
}

@test "an orphan in FIN_WAIT2 is never taken over: its peer may still read (fact 16)" {
    local before
    ports 20
    plain n=30 deaf=1
    [[ $failed -eq 10 ]]
    before=$resets # of the server that ends with its queue full
    ports 20
    supervised n=30 deaf=1
    [[ $failed -eq 10 && $resets -eq $before ]]
}

@test "nor is one among entries in TIME_WAIT: its peer reads on, to the end" {
    ports 60
    serve "$PORT" quiet use:b accept use:c accept use:d accept use:a loop:200 "${answer[@]}" end loud \
        use:b peername readall use:c peername readall use:d peername readall
    run "$START" --by supervise "$ACT" quiet loop:3 "connect:$PORT" write:1 close end loud \
        loop:200 "connect:$PORT" "${exchange[@]}" sleep:2 end
    echo "$output"
    [[ $output == 'loop 200 errors=0'* ]] # with 57 ports
    run finish server
    echo "$output"
    [[ $(grep -c '^peername 127' <<<"$output") -eq 3 && $(grep -cx 'readall 1 EOF' <<<"$output") -eq 3 ]]
}

# A look at the entries alone would find few, and take ports for plenty.
@test "ports of connections that the peer has not closed yet do not make ports plenty" {
    ports 40
    serve "$PORT" quiet loop:60 "${answer[@]}" end loop:37 accept readn:1 write:1 readall end loop:60 "${answer[@]}" end
    run "$START" --by supervise "$ACT" loop:157 "connect:$PORT" "${exchange[@]}" sleep:2 end
    echo "$output"
    [[ $output == 'loop 157 errors=0'* ]]
}

@test "an entry whose socket had no SO_REUSEADDR is left alone, and connect() fails as without us" {
    ports 20
    plain n=30 port="$PORT"
    [[ $failed -eq 10 ]]
    supervised n=10 port="$PORT"
    [[ $failed -eq 10 && $EADDRNOTAVAIL -eq 10 && $resets -eq 0 ]]
}

# seen_to CMD...: what it runs is recycle with few ports, then act under fin-rst: both are seen to.
seen_to() {
    local output
    ports 60
    run_recycle "$@" --by supervise "${inside[@]}" "$recycle" port="$(port)" pause=1000 n=200
    [[ $failed -eq 0 && $whole -eq 200 && $resets -eq 0 ]] || return
    new_port
    serve "$PORT" accept readall close
    output=$("$@" --by supervise -p off -r 'program=act => fin-rst' "${inside[@]}" "$act" "connect:$PORT" \
        getlinger2 write:1 close)
    echo "$output"
    [[ $output == *'getlinger2 -1'* ]] || return
    finish server
}

@test "user, pid and mount namespaces: of the command, for an ordinary user too; or around us" {
    local namespaces=(unshare -Urpfm --mount-proc) inside recycle=$BUILD/tests/recycle act=$ACT public
    "${namespaces[@]}" true || skip 'no such namespaces here'
    inside=("${namespaces[@]}")
    seen_to "$START"
    inside=()
    seen_to "${namespaces[@]}" "$START"
    publish "$START" "$recycle" "$ACT"
    recycle=$public/recycle act=$public/act
    if unprivileged "${namespaces[@]}" true; then
        inside=("${namespaces[@]}")
        seen_to unprivileged "$public/notimewait"
    fi
    rm -r "$public"
}
