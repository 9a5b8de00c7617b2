# connect() takes over ports in TIME_WAIT: many threads and processes at once, and what it costs.
# RECYCLING=long makes the numbers those of the design: a few minutes.
# shellcheck disable=SC2154 # run_recycle sets them
load ../lib/helper
load ../lib/recycling

# long N FEW: N, or FEW of them.
long() {
    [[ ${RECYCLING-} != long ]] && echo "$2" || echo "$1"
}

@test "1,000 ports, one process" {
    ports 1000
    under auto n="$(long 20000 4000)"
    [[ $failed -eq 0 && $whole -eq $connects && $ports -le 1000 && $resets -eq 0 ]]
}

@test "eight processes take from each other, with tcp_tw_reuse 0, 1 and 2" {
    local reuse
    for reuse in 0 1 2; do
        ports 2000
        echo $reuse >/proc/sys/net/ipv4/tcp_tw_reuse
        under auto n="$(long 20000 800)" processes=8
        [[ $failed -eq 0 && $whole -eq $connects && $broken -eq 0 && $resets -eq 0 ]]
    done
}

@test "64 threads" {
    ports 1000
    under auto threads=64 n="$(long 2000 60)"
    [[ $failed -eq 0 && $whole -eq $connects && $broken -eq 0 && $resets -eq 0 ]]
}

@test "a signal handler that connects, too, whatever it interrupts" {
    ports 400
    under auto n="$(long 20000 1500)" signals=100
    [[ $failed -eq 0 && $connects -gt 1600 && $whole -eq $connects && $broken -eq 0 && $resets -eq 0 ]]
}

@test "processes of one connection each" {
    ports 200
    under auto n=1 processes=8 runs="$(long 500 50)" exec=1
    [[ $failed -eq 0 && $whole -eq $connects && $resets -eq 0 ]]
}

# calls NAME FILE: how often strace -c counted it.
calls() {
    awk -v name="$1" '$NF == name { print $4; exit }' "$2"
}

@test "the whole range: a look serves many connections, at most 4 calls more for each" {
    local table=$BATS_TEST_TMPDIR/strace name sum=0
    need strace
    echo 32768 60999 >/proc/sys/net/ipv4/ip_local_port_range
    echo 0 >/proc/sys/net/ipv4/tcp_tw_reuse
    # A lease lasts for 20 ms: what runs beside must not take these.
    NOTIMEWAIT_POLICY=auto run_recycle nice -n -15 strace -f --seccomp-bpf -c -o "$table" \
        -e trace=setsockopt,bind,socket,sendto,recvmmsg,getsockname -E LD_PRELOAD="$LIB" \
        "$BUILD/tests/recycle" port="$PORT" n=20000
    [[ $failed -eq 0 && $whole -eq 20000 ]]
    cat "$table"
    # Of recycle: a socket and a getsockname of each connection. Of the library: SO_REUSEADDR of
    # each, and the rest of those that were taken over.
    for name in setsockopt bind socket sendto recvmmsg getsockname; do
        sum=$((sum + $(calls "$name" "$table")))
    done
    taken=$((20000 - ports))
    echo "$taken taken over, $(((sum - 3 * 20000) * 100 / taken)) calls for 100 of them"
    [[ $taken -ge 4000 && $((sum - 3 * 20000)) -le $((3 * taken)) ]]
}
