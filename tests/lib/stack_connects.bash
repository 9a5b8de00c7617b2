# shellcheck shell=bash disable=SC2034,SC2154
# What the tests of connect() to other stacks share: loads all that they need. Owns the stack that
# runs as the server, behind the device far77, the rows that are held to stacks.expected, and the end of
# all that a test has made.

load ../lib/helper
load ../lib/recycling
load ../lib/spaces
load ../lib/outcome
load ../lib/peerview
load ../lib/peerview_stacks
load ../lib/peerview_expected

EXPECTED=tests/stacks/stacks.expected

# serve_here CMD...: the stack's program; with SERVER_FIRST=1 its server closes first.
serve_here() {
    local serve=serve
    [[ ${SERVER_FIRST:-0} -eq 0 ]] || serve="serve-first"
    start server "$@" "listen:$PORT" "$serve"
    wait_output server '^listen'
}

# meet_stack lwip|netstack|slirp|linux: its server runs, behind far77.
meet_stack() {
    case $1 in
    lwip)
        device far77 tap 10.77.0.1 552
        serve_here env PRECONFIGURED_TAPIF=far77 "$STACKS/lwip" 10.77.0.2 10.77.0.1
        ;;
    netstack)
        device far77 tun 10.77.0.1
        serve_here "$STACKS/netstack" far77
        ;;
    slirp)
        slirp_host far77 10.77.0
        serve_linux nsenter --net="/proc/$(<"$BATS_FILE_TMPDIR/far77.host")/ns/net"
        ;;
    linux)
        space
        ip link add far77 type veth peer name far netns "$space"
        ip addr add 10.77.0.1/24 dev far77
        ip link set far77 up
        nsenter -n -t "$space" sh -c 'ip addr add 10.77.0.2/24 dev far; ip link set far up'
        serve_linux nsenter -n -t "$space"
        ;;
    esac
}

# tell_row POLICY: of how many of $COUNT connects failed, and by what, to the file `rows`.
tell_row() {
    case $failed in
    0) error=succeeds ;;
    "$COUNT") ;;
    *) error="fails $failed times, $error" ;;
    esac
    echo "$1 | our connect() $error | -" >>"$BATS_TEST_TMPDIR/rows"
}

# is_listed STACK SITUATION POLICY...: meets the stack; each policy's row, by `again`, is one that
# stacks.expected has, and auto's is off's.
is_listed() {
    local policy
    meet_stack "$1"
    for policy in "${@:3}"; do again "$policy"; done
    ROWS=$(<"$BATS_TEST_TMPDIR/rows")
    diff <(accepted "$1_$2" | sort) <(sort <<<"$ROWS")
    auto_is_plain
}

clean_up() {
    [[ ${#pids[@]} -eq 0 ]] || kill "${pids[@]}" 2>/dev/null || true
    end_hosts
    rm -f "$BATS_FILE_TMPDIR"/*.{host,slirp,up,ready}
    ip link del far77 2>/dev/null || true
}
