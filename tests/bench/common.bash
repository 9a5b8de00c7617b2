# shellcheck shell=bash
# What the scripts here share: `. tests/bench/common.bash`, with build (the build directory) set.
# Owns the private networks, the server, and how figures are summed up.
#
# Each run has a network of its own (tests/run makes it), so that no run finds what the one before
# left behind, and the machine's ports are left alone.

PATH=$PATH:/usr/sbin:/sbin
unset -v LD_PRELOAD "${!NOTIMEWAIT_@}"
# shellcheck disable=SC2154 # build
library=$build/libnotimewait.so
tools=$build/tests/bench
pin='' # words that keep client and server on one CPU

die() {
    echo "${0##*/}: $*" >&2
    exit 1
}

# value KEY TEXT: of "KEY=value" in it, 0 if there is none
value() {
    [[ " ${2//$'\n'/ } " =~ \ $1=([^ ]+)\  ]] && echo "${BASH_REMATCH[1]}" || echo 0
}

require_build() {
    local file
    for file in "$library" "$tools/client" "$build/examples/legacy-server"; do
        [[ -x $file ]] || die "$file is missing: run 'make tests'"
    done
}

# Sets enter: the command that makes a private network and runs another in it.
find_network() {
    local flags outer
    outer=$(readlink /proc/self/ns/net)
    for flags in -n -Urn; do
        enter=(unshare "$flags" tests/run --inside "$outer")
        "${enter[@]}" true 2>/dev/null && return
    done
    die 'cannot make a network namespace (neither unshare -n nor -Urn)'
}

# Client and server on one CPU: what is measured then is the work that a connection is. On two,
# the time goes by in waking the other one up, which hides what is compared, and varies.
find_pin() {
    local cpu=$(($(nproc --all) - 1))
    ! taskset -c "$cpu" true 2>/dev/null || pin="taskset -c $cpu"
}

# with POLICY: the words that come before a program for it to run under the library.
with() {
    echo "env LD_PRELOAD=$library NOTIMEWAIT_POLICY=$1"
}

# Whether this library knows the policy, and it may be used here.
has_policy() {
    "$build/notimewait" -p "$1" -- true 2>/dev/null
}

# one_run WORDS CLIENT_OPTION...: a server, and a client against it, in a private network; WORDS
# come before the client. Prints what the client printed, and then errors at the server and the
# TIME_WAIT entries of both. Variables: ports (a range), reuse (tcp_tw_reuse), delay
# (tcp_tw_reuse_delay, ms), time_limit (s); crowd: others hold so many connections open, `each` per
# process; foreign: others leave so many TIME_WAIT entries on ports from 40000 on; client: the
# program, in place of client.c's.
one_run() {
    # shellcheck disable=SC2086 # words
    "${enter[@]}" env build="$build" ports="${ports-10000 65535}" reuse="${reuse-0}" delay="${delay-1000}" \
        crowd="${crowd-0}" each="${each-0}" foreign="${foreign-0}" client="${client-}" \
        timeout "${time_limit-120}" $pin tests/bench/one "$@"
}

# summary BASE LIMIT: of lines "ROUND<tab>ARM<tab>NUMBER" a line per arm: the median, the least
# and the most, and the median of its ratios to BASE and to LIMIT, by rounds, each with the
# interval that holds the true one at 95 % (by rank: no distribution is assumed).
summary() {
    awk -F '\t' -v base="$1" -v limit="$2" -f tests/bench/summary.awk
}

# A line of the bench's own about the machine, and how busy it is with other things.
machine() {
    echo "kernel: $(uname -sr)"
    echo "cpu: $(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -n 1)"
    echo "cores: $(nproc)"
    echo "an empty system call: $(value empty "$("$tools/client" --call-cost)") us"
    echo "load before: $(cut -d ' ' -f 1-3 /proc/loadavg)"
    echo "date: $(date -u +%Y-%m-%d)"
}
