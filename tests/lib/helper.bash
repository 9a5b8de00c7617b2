# shellcheck shell=bash
# What every bats file loads: `load ../lib/helper`. Owns the words that the tests are written in.
#
# Each test has a fresh server port, $PORT, so that the states and TIME_WAIT entries it counts
# are its own, a directory $BATS_TEST_TMPDIR, and an end of TCP that follows a script, `act`
# (see `act --help`). What a test starts in the background ends with the test.

set +T # bats traces no command: its trap before each takes longer than most commands
PATH=$PATH:/usr/sbin:/sbin
# shellcheck disable=SC2034 # some are for the tests only
{
    BUILD=${BUILD-}                # the build directory, absolute
    LIB=$BUILD/libnotimewait.so    # the library
    ACT=$BUILD/tests/act           # the script's program
    LOG=$BATS_TEST_TMPDIR/log.json # for NOTIMEWAIT_LOG
    GOCACHE=$BUILD/go-cache        # go builds its own packages once
}
export ACT LIB GOCACHE

# Tests configure lo and count the namespace's sockets: never on the host's network. tests/run
# names the outer namespace and the private one, which leads nowhere: it has no default route.
default_route=$'\n[^\t]+\t00000000\t'
if [[ -z ${TEST_NETNS-} || ${TEST_NETNS% *} == "${TEST_NETNS#* }" ||
    ${TEST_NETNS#* } != "$(readlink /proc/self/ns/net)" ||
    $(</proc/net/route) =~ $default_route ]]; then
    echo 'these tests need a network namespace of their own: run tests/run build FILE.bats' >&2
    exit 1
fi

# --- programs ---

# act STEP...: runs a script, without the library. (EXEC: see start.)
act() {
    ${EXEC-} "$ACT" "$@"
}

# A client's exchange, and what a server does: both ends have all of it before the client closes.
# shellcheck disable=SC2034 # for the tests
{
    exchange=(write:1 readn:1 close)
    answer=(accept readn:1 write:1 readall close)
}

# preload POLICY CMD...: runs CMD (or act) under the library.
preload() {
    local policy=$1
    shift
    [[ $1 != act ]] || set -- "$ACT" "${@:2}"
    LD_PRELOAD=$LIB NOTIMEWAIT_POLICY=$policy ${EXEC-} "$@"
}

# need CMD...: skips the test where one is missing; under CI that is a failure.
need() {
    local cmd
    for cmd; do
        command -v "$cmd" >/dev/null && continue
        [[ -z ${CI-} ]] || { echo "$cmd is missing" && return 1; }
        skip "$cmd is missing"
    done
}

# --- in the background ---

# start NAME CMD...: runs CMD (a function, too) in the background; returns once its pid is known, in
# NAME.process. (Programs write files of .pid, and the pid may be one of another namespace.)
# Its output goes to `output_of NAME`. The pid of `act`, `preload` and `boarded` is the program's: no
# shell waits for it.
start() {
    local base=$BATS_TEST_TMPDIR/$1 EXEC=''
    shift
    [[ $1 != act && $1 != preload && $1 != boarded ]] || EXEC='exec'
    : >"$base.out"
    read -r _ < <(
        "$@" </dev/null >"$base.out" 2>&1 3>&- &
        echo $! >"$base.process"
        echo started
        exec </dev/null >/dev/null 2>&1 3>&-
        status=0
        wait $! || status=$?
        echo $status >"$base.$!.status" # of this one: another may have its name by now
    )
}

# pid_of NAME: of what was started. find_pid sets PID, without a process.
find_pid() {
    read -r PID <"$BATS_TEST_TMPDIR/$1.process"
}

pid_of() {
    find_pid "$1"
    echo "$PID"
}

# output_of NAME: what it has printed so far. (No process: each costs more than most calls here.)
output_of() {
    local text
    slurp "$BATS_TEST_TMPDIR/$1.out"
    printf %s "$text"
}

# pause SECONDS: as sleep(1), without a process.
pause() {
    local fifo=$BATS_RUN_TMPDIR/nothing
    [[ -p $fifo ]] || mkfifo "$fifo" 2>/dev/null || true
    read -rt "$1" <>"$fifo" || true
}

# has_line FILE REGEX: one of its lines matches.
has_line() {
    local line
    while IFS= read -r line || [[ -n $line ]]; do
        [[ ! $line =~ $2 ]] || return 0
    done <"$1"
    return 1
}

# until_true MS CMD...: repeats CMD until it succeeds, less often the longer that takes; fails
# after MS milliseconds.
until_true() {
    local seconds nap=5 end=$((${EPOCHREALTIME/./} + $1 * 1000)) # ms
    shift
    until "$@"; do
        [[ ${EPOCHREALTIME/./} -lt $end ]] || return 1
        printf -v seconds 0.%03d $nap
        pause "$seconds"
        nap=$((nap < 250 ? nap + nap / 4 + 1 : 250))
    done
}

# wait_output NAME REGEX [MS]: waits until a line of its output matches.
wait_output() {
    until_true "${3:-20000}" has_line "$BATS_TEST_TMPDIR/$1.out" "$2" && return
    echo "no line '$2' from $1, which printed:"
    output_of "$1"
    return 1
}

# has_ended NAME
has_ended() {
    local PID
    find_pid "$1"
    [[ -s $BATS_TEST_TMPDIR/$1.$PID.status ]]
}

# none_runs PID...: each has ended, whether it has been waited for or not: the process that adopts
# orphans may be slow to do so, or, in a container, may never do it. (A zombie has no exe.)
none_runs() {
    local pid
    for pid; do
        [[ ! -e /proc/$pid/exe ]] || return
    done
}

# finish NAME [MS]: waits until it ends; prints its output, returns its status.
finish() {
    local status PID
    if ! until_true "${2:-30000}" has_ended "$1"; then
        echo "$1 has not ended after ${2:-30000} ms; it printed:"
        output_of "$1"
        return 1
    fi
    output_of "$1"
    find_pid "$1"
    read -r status <"$BATS_TEST_TMPDIR/$1.$PID.status"
    return "$status"
}

# serve PORT STEP...: starts `server`, a plain act that listens on PORT ([ADDR:]PORT) and then
# does the steps; returns once it listens.
serve() {
    start server act "listen:$1" "${@:2}"
    wait_output server '^listen '
}

# serve_preload POLICY PORT STEP...: the same under the library.
serve_preload() {
    start server preload "$1" act "listen:$2" "${@:3}"
    wait_output server '^listen '
}

# share_cpu: from here on the processes of this test, file or subshell are on one CPU. Packets on lo go
# through a queue of their sender's: one that waited in another CPU's, or was sent again because others
# had overtaken it, finds the socket gone, once in some thousand connections of a busy machine, and is
# answered by an RST, which takes a TIME_WAIT away. For tests that count each TIME_WAIT.
share_cpu() {
    local text list part cpu cpus=()
    [[ -z ${CPU_IS_SHARED-} ]] || return 0
    slurp /proc/self/status
    [[ $text =~ Cpus_allowed_list:[[:space:]]*([0-9,-]+) ]]
    IFS=, read -ra list <<<"${BASH_REMATCH[1]}"
    for part in "${list[@]}"; do
        for ((cpu = ${part%-*}; cpu <= ${part#*-}; cpu++)); do cpus+=("$cpu"); done
    done
    taskset -cp "${cpus[$$ % ${#cpus[@]}]}" "$BASHPID" >/dev/null 2>&1 || true
    CPU_IS_SHARED=yes
}

# --- the kernel's sockets ---

# new_port: sets PORT to one that no test of this file has used, as setup does.
new_port() {
    local counter=$BATS_FILE_TMPDIR/port
    PORT=10000
    [[ ! -s $counter ]] || read -r PORT <"$counter"
    PORT=$((PORT + 1))
    echo "$PORT" >"$counter"
}

# port: prints one.
port() {
    new_port
    echo "$PORT"
}

# slurp FILE: sets `text` to all of it, without a process. For those of /proc whose lines move when a
# number gets a digit: bash seeks back behind each line that it reads.
slurp() {
    IFS= read -rd '' text <"$1" || true
}

# find_ends PORT [PID]: sets ENDS, `client STATE` or `server STATE` for each socket with the port, of
# this namespace or the process's, in the kernel's names (include/net/tcp_states.h). It is asked
# often: no process, not even ss. A table that changes while it is read may list a connection's end
# twice.
find_ends() {
    local net=/proc/${2-self}/net port line lines words names=(- ESTABLISHED SYN_SENT SYN_RECV FIN_WAIT1 FIN_WAIT2 TIME_WAIT CLOSE
        CLOSE_WAIT LAST_ACK LISTEN CLOSING SYN_RECV)
    local -A seen=()
    printf -v port :%04X "$1"
    ENDS=()
    mapfile -t lines <"$net/tcp"
    [[ ! -e $net/tcp6 ]] || mapfile -t -O ${#lines[@]} lines <"$net/tcp6"
    for line in "${lines[@]}"; do
        [[ $line == *"$port "* ]] || continue
        read -ra words <<<"$line" # N: ADDRESS:PORT ADDRESS:PORT STATE...
        [[ -z ${seen[${words[1]} ${words[2]}]-} ]] || continue
        seen[${words[1]} ${words[2]}]=yes
        if [[ ${words[1]} == *"$port" ]]; then
            ENDS+=("server ${names[16#${words[3]}]}")
        elif [[ ${words[2]} == *"$port" ]]; then
            ENDS+=("client ${names[16#${words[3]}]}")
        fi
    done
}

# count_ends PORT END: how many of them are such.
count_ends() {
    local ENDS end count=0
    find_ends "$1"
    for end in "${ENDS[@]}"; do
        [[ $end != "$2" ]] || count=$((count + 1))
    done
    echo $count
}

# time_wait_client PORT: the number of TIME_WAIT entries whose peer has the port.
time_wait_client() {
    count_ends "$1" 'client TIME_WAIT'
}

# time_wait_server PORT: the number of TIME_WAIT entries whose own port it is.
time_wait_server() {
    count_ends "$1" 'server TIME_WAIT'
}

# states PORT: the sockets with the port, a line each, sorted.
states() {
    local ENDS
    find_ends "$1"
    [[ ${#ENDS[@]} -eq 0 ]] || printf '%s\n' "${ENDS[@]}" | sort
}

quiet_port() {
    local ENDS end
    find_ends "$1"
    for end in "${ENDS[@]}"; do
        [[ $end == *' TIME_WAIT' || $end == *' LISTEN' ]] || return
    done
}

# settle PORT [MS]: waits until no socket with the port has a state but TIME_WAIT and LISTEN.
settle() {
    until_true "${2:-5000}" quiet_port "$1" && return
    echo "not settled:"
    states "$1"
    return 1
}

# --- the log ---

# json FIELD FILE: the field (policy, or .policies[0].closes) of each record, a line each.
json() {
    jq -r ".${1#.}" "$2"
}

# --- bats' own ---

# In place of bats' own, which starts two programs for each test: after SECONDS the test ends, and
# what it started. The process that counts is forgotten where a test ends at once, by skip: it is not
# to hold the pipe at whose end bats waits.
bats_start_timeout_countdown() { # SECONDS
    trap bats_timeout_trap ABRT
    (
        for fd in /proc/"$BASHPID"/fd/*; do
            eval "exec ${fd##*/}>&-"
        done
        pause "$1"
        ! kill -ABRT $$ || bats_kill_childprocesses_of $$
    ) &>/dev/null &
}

# In place of bats' own, whose SIGABRT is lost where it comes before bash has set the trap for it, as
# on a busy machine: then the file waited for the whole time limit.
bats_abort_timeout_countdown() {
    { kill -KILL "$1" && wait "$1"; } &>/dev/null || true
}

# Where a test failed, which bats does not tell without its trap: the calls, innermost first.
tell_failure() {
    local i
    for ((i = 1; BASH_SUBSHELL == 0 && i < ${#FUNCNAME[@]}; i++)); do
        [[ ${FUNCNAME[i]} != bats_* && ${FUNCNAME[i]} != main ]] || break
        echo "at ${BASH_SOURCE[i]}:${BASH_LINENO[i - 1]}, in ${FUNCNAME[i]}()"
    done
}

# shellcheck disable=SC2034 # PORT is for the tests
setup() {
    trap 'tell_failure; bats_error_trap' ERR
    new_port
    ! declare -F prepare >/dev/null || prepare # the file's own
}

teardown() {
    local name PID
    for name in "$BATS_TEST_TMPDIR"/*.process; do
        name=${name##*/}
        name=${name%.process}
        if [[ -s $BATS_TEST_TMPDIR/$name.process ]] && ! has_ended "$name"; then
            find_pid "$name"
            pkill -KILL -P "$PID" || true # of a function, what it has called
            kill -KILL "$PID" 2>/dev/null || true
        fi
    done
    ! declare -F clean_up >/dev/null || clean_up # the file's own
}
