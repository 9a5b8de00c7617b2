# shellcheck shell=bash disable=SC2034,SC2154
# What the tests of connect() to other stacks share: loads all that they need. Owns the stack that
# runs as the server, behind the device far77, and the end of all that a test has made.

load ../lib/helper
load ../lib/recycling
load ../lib/spaces
load ../lib/outcome
load ../lib/peerview
load ../lib/peerview_stacks

# serve_here CMD...: the stack's program; with SERVER_FIRST=1 its server closes first.
serve_here() {
    local serve=serve
    [[ ${SERVER_FIRST:-0} -eq 0 ]] || serve="serve-first"
    start server "$@" "listen:$PORT" "$serve"
    wait_output server '^listen'
}

clean_up() {
    [[ ${#pids[@]} -eq 0 ]] || kill "${pids[@]}" 2>/dev/null || true
    end_hosts
    rm -f "$BATS_FILE_TMPDIR"/*.{host,slirp,up,ready}
    ip link del far77 2>/dev/null || true
}
