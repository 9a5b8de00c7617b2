# shellcheck shell=bash
# Network namespaces more, and recycle's server in one; loaded after helper and recycling. Whoever
# loads it sets `pids=()` before a test, and ends those afterwards.

# space: a network namespace; its pid is in $space.
space() {
    unshare -n sleep 100 </dev/null >/dev/null 2>&1 3>&- &
    space=$!
    pids+=("$space")
    until_true 10000 is_apart "$space"
    nsenter -n -t "$space" ip link set lo up
}

is_apart() {
    [[ $(readlink "/proc/$1/ns/net") != "$(readlink /proc/self/ns/net)" ]]
}

# serve_linux CMD...: recycle's server, in the namespace that CMD gets to, until its input ends,
# which this one's never does. With SERVER_FIRST=1 it closes first.
serve_linux() {
    mkfifo "$BATS_TEST_TMPDIR/input"
    # shellcheck disable=SC2016 # for the inner shell
    start server "$@" sh -c 'exec "$1/tests/recycle" serve=60 port="$2" "last=$4" <>"$3"' serve \
        "$BUILD" "$PORT" "$BATS_TEST_TMPDIR/input" "${SERVER_FIRST:-0}"
    until_true 10000 listens "$@"
}

listens() {
    [[ -n $("$@" ss -Htln "sport = :$PORT") ]]
}

# connects POLICY N [WORD...]: so many connects to the server at 10.77.0.2; sets what run_recycle
# does. With ARM set, the figures have that name in place of the policy's.
connects() {
    run_recycle recorded env LD_PRELOAD="$LIB" NOTIMEWAIT_POLICY="$1" "$BUILD/tests/recycle" \
        remote=1 port="$PORT" n="$2" "${@:3}"
    [[ -z ${RECORD-} ]] || record "${ARM:-$1}" >>"$RECORD"
    # shellcheck disable=SC2154 # run_recycle sets it
    echo "# ${BATS_TEST_DESCRIPTION%%:*} on $(uname -r), ${ARM:-$1}: $(figures) resets=$resets" >&3
}

# record ARM: a line for tests/update-results: the file, the peer (PEER, or the name's first word),
# the arm; connects, failures, their
# error; connect()'s times in us: median, 99 of 100, longest.
record() {
    local file=${BATS_TEST_FILENAME##*/} name value
    local -A figure=()
    while IFS='=' read -r name value; do figure[$name]=$value; done <"$BATS_TEST_TMPDIR/recorded"
    echo "${file%.bats} | ${PEER:-${BATS_TEST_DESCRIPTION%%[ :]*}} | $1 | ${figure[connects]} ${figure[failed]}" \
        "${figure[error]} ${figure[p50]} ${figure[p99]} ${figure[p100]}"
}

# recorded CMD...: for run_recycle; what it has printed is kept for figures.
recorded() {
    "$@" | tee "$BATS_TEST_TMPDIR/recorded"
}

# figures: connects, failures, the last one's error and connect()'s times of what was recorded.
figures() {
    grep -E '^(connects|failed|error|p50|p99|p100)=' "$BATS_TEST_TMPDIR/recorded" | paste -sd' '
}
