# notimewait advise: the remedies that are rarely the best, and the lines that depend on what was seen.
# shellcheck disable=SC2154 # what run sets
# shellcheck disable=SC2153 # BUILD is the helper's
load ../lib/helper
load ../lib/recycling
bats_require_minimum_version 1.5.0

START=$BUILD/notimewait

# before_6_14 CMD...: runs it as on a kernel without the sysctl tcp_tw_reuse_delay.
before_6_14() {
    local delay=/proc/sys/net/ipv4/tcp_tw_reuse_delay
    if [[ -e $delay ]]; then
        set -- unshare -m sh -c "mount --bind /dev/null $delay && exec \"\$0\" \"\$@\"" "$@"
    fi
    "$@"
}

serve_legacy() {
    start server "$BUILD/examples/legacy-server" --port "$PORT" --reply
    wait_output server '^ready'
}

# Before the others, which leave more entries.
@test "connections that are kept, and those that are not" {
    local go=$BATS_TEST_TMPDIR/go
    ports 2000
    serve "$PORT" quiet accept@a accept@b accept@c accept@d readall@d close@d "wait-file:$go:20000"
    start client act "connect:$PORT@a" "connect:$PORT@b" "connect:$PORT@c" "connect:$PORT@d" close@d say:left \
        "wait-file:$go:20000"
    wait_output client '^say left'
    run "$START" advise --seconds 1
    touch "$go"
    finish client
    echo "$output"
    [[ $output == *$'\n''open                3.0 at a time: some are kept for long'$'\n'* ]]
    new_port
    left_behind 20
    run "$START" advise --seconds 1
    echo "$output"
    [[ $output == *$'\n''open                0.0 at a time: each is short; keep-alive is not seen'$'\n'* ]]
}

# Before those that may try again, and then leave more entries than this one.
@test "when the ports end, at the rate that is seen" {
    local rate
    serve_legacy
    ports 300
    run --separate-stderr "$START" advise -- sh -c "'$BUILD/examples/legacy-client' --port $PORT --reply \
        --connections 200; sleep 1.2"
    echo "$output"
    [[ $output =~ ' at most; '([0-9]+)[0-9.]*' new a second' ]]
    rate=${BASH_REMATCH[1]}
    [[ $output =~ ': 300, 100 left; they end in some '([0-9]+)' s' ]]
    [[ $((BASH_REMATCH[1] * rate)) -le $((100 + rate)) && $(((BASH_REMATCH[1] + 1) * rate)) -ge $((100 - rate)) ]]
    # where no more come, as many as are there are held
    run "$START" advise --seconds 1
    echo "$output"
    [[ $output == *': 300, 100 left; as many as 200 are held at this rate'* ]]
}

# advised CLIENT: in $output, of a client that makes 90 connections through 100 ports in less than two
# seconds. A machine that is too busy for that may try again.
advised() {
    local i
    for i in 1 2 3 4; do
        ports 100
        echo 1 >/proc/sys/net/ipv4/tcp_tw_reuse # the kernel does already what it can
        run --separate-stderr before_6_14 "$START" advise -- "$1" --port "$PORT" --reply --connections 90
        echo 0 >/proc/sys/net/ipv4/tcp_tw_reuse
        echo "$i: $output"
        [[ $output =~ ' at most; '([0-9]+)[0-9.]*' new a second' && ${BASH_REMATCH[1]} -lt 50 ]] || break
    done
}

@test "more new entries than a sysctl gives: the library is the remedy, by the way that reaches" {
    local static=$BATS_TEST_TMPDIR/client
    before_6_14 true || skip 'nothing can be mounted over a sysctl here'
    gcc -O2 -static -o "$static" examples/legacy-client.c
    serve_legacy
    advised "$BUILD/examples/legacy-client"
    [[ ${lines[0]} == 'remedy: notimewait COMMAND, policy auto' ]]
    [[ ${lines[1]} =~ ^'why not a sysctl    tcp_tw_reuse (ports again after 1 s) gives 100 connections/s at most, and '([0-9]+)' are made'$ ]]
    [[ ${BASH_REMATCH[1]} -ge 50 && ${lines[2]} == 'or '*keep-alive* && ${lines[3]} == 'or '*'source addresses'* ]]
    advised "$static"
    [[ ${lines[0]} == 'remedy: notimewait --by supervise COMMAND (a preload does not reach it), policy auto' ]]
}

@test "a command that a preload reaches in part: --by both" {
    [[ $(uname -m) == x86_64 ]] || skip 'flags are read from the code of a 64-bit PC'
    gcc -O2 -x c -o "$BATS_TEST_TMPDIR/deep" - <<'END'
#include <dlfcn.h>
int main(int argc, char **argv) { return argc > 1 && !dlopen(argv[1], RTLD_NOW | RTLD_DEEPBIND); }
END
    ports 300
    left_behind 160
    run --separate-stderr "$START" advise -- "$BATS_TEST_TMPDIR/deep"
    echo "$output"
    [[ ${lines[0]} == 'remedy: sysctl net.ipv4.tcp_tw_reuse=1 '* ]]
    [[ $output == *$'\n''or                  without root: notimewait --by both COMMAND (a preload reaches it in part), policy auto: '* ]]
}
