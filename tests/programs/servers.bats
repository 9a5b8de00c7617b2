#!/usr/bin/env bats
# Servers under the library, or supervised, which close first; their clients are plain.
# shellcheck disable=SC2034,SC2317 # what row uses, by name

load ../lib/helper
load ../lib/runs
load ../lib/daemons

ARMS=(none auto supervise:auto fin-rst last-read supervise:fin-rst user:fin-rst user:supervise:auto
    user:supervise:fin-rst)

serve_forking() {
    serve_python fork
}

@test "nginx" {
    need curl
    SERVER=serve_nginx row 'nginx' nginx each curl -sS --ignore-content-length \
        -H 'Connection: close' http://@HOST:@PORT/ # it closes after nginx, not with it
}

@test "Python's ForkingTCPServer" {
    SERVER=serve_forking row 'Python ForkingTCPServer' python3 once \
        python3 "$PUBLIC/client.py" eof @HOST @PORT @COUNT
}

# options: the values of all options of the sockets that listen on PORT, as the server sees them, but
# those that tell sockets and moments apart (SO_COOKIE, SO_MEMINFO, SO_INCOMING_CPU, TCP_INFO,
# TCP_TIMESTAMP).
options() {
    python3 - "$PORT" <<'END'
import ctypes, os, re, socket, subprocess, sys
users = subprocess.run(["ss", "-Htlnp", "sport = :" + sys.argv[1]], capture_output=True, text=True)
pid, fd = map(int, min(re.findall(r"pid=(\d+),fd=(\d+)", users.stdout), key=lambda user: int(user[0])))
libc = ctypes.CDLL(None, use_errno=True)
copy = libc.syscall(438, os.pidfd_open(pid), fd, 0) # pidfd_getfd(2)
listener = socket.socket(fileno=copy)
for level, name in [(level, name) for level in (0, 1, 6, 41) for name in range(1, 90)]:
    if (level, name) in [(1, 49), (1, 55), (1, 57), (6, 11), (6, 24)]:
        continue
    try:
        print(level, name, listener.getsockopt(level, name, 64).hex())
    except OSError as error:
        print(level, name, error.errno)
END
}

# options_under ARM SERVER: of the server under the arm.
options_under() {
    use_arm "$1"
    $2
    be_plain
    options >"$BATS_TEST_TMPDIR/options.$1"
    stop_server
    [[ $(wc -l <"$BATS_TEST_TMPDIR/options.$1") -gt 300 ]]
}

@test "supervised under auto, nothing is done to what listens; under fin-rst one option is set" {
    local server
    for server in serve_nginx serve_forking; do
        options_under none $server
        options_under supervise:auto $server
        diff "$BATS_TEST_TMPDIR"/options.{none,supervise:auto}
        options_under supervise:fin-rst $server
        run diff "$BATS_TEST_TMPDIR"/options.{none,supervise:fin-rst}
        echo "$output"
        [[ $(grep -c '^>' <<<"$output") -eq 1 && $output == *'> 6 8 ffffffff' ]] # TCP_LINGER2
    done
}
