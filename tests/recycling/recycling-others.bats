# Sockets whose ports are not taken over though ports are scarce: the entries are not those of
# their source address, device or network namespace, or may not be.
# shellcheck disable=SC2154 # space sets it
load ../lib/helper
load ../lib/recycling
load ../lib/spaces

prepare() {
    need python3
    pids=()
    ports 80
    serve "$PORT" loop:400 accept readn:1 write:1 readall close end
    cat >"$BATS_TEST_TMPDIR/client.py" <<'END'
import ctypes, os, socket, sys, time
PORT = int(sys.argv[1])
LO = (socket.SO_BINDTODEVICE, b'lo')

def connect(*options):
    s = socket.socket()
    for name, value in options:
        s.setsockopt(socket.SOL_SOCKET, name, value)
    s.connect(('127.0.0.1', PORT))
    s.sendall(b'x')
    s.recv(1)
    port = s.getsockname()[1]
    reusable = s.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR)
    s.close()
    return port, reusable

def make_scarce(*options): # the 64th connection tells; the last ports are left
    for i in range(66):
        connect(*options)
    time.sleep(0.2)
END
}

clean_up() {
    [[ ${#pids[@]} -eq 0 ]] || kill "${pids[@]}" 2>/dev/null || true
}

# client LINE...: Python under auto, which has connect() above; sets $recycled to how many of its
# connections were made from a port that was taken over.
client() {
    printf '%s\n' "$@" >>"$BATS_TEST_TMPDIR/client.py"
    NOTIMEWAIT_LOG=$LOG run preload auto python3 "$BATS_TEST_TMPDIR/client.py" "$PORT"
    echo "$output"
    mapfile -t recycled < <(json recycled "$LOG")
    echo "${recycled[*]}"
}

@test "a socket with a mark, which may lead another way" {
    python3 -c 'import socket; socket.socket().setsockopt(socket.SOL_SOCKET, socket.SO_MARK, 1)' ||
        skip 'sockets cannot be marked here'
    client 'make_scarce()' 'print(connect((socket.SO_MARK, 1))[1], connect()[1])'
    [[ $output == '0 1' && ${recycled[*]: -2} == 'false true' ]]
}

@test "one peer through two interfaces: the entries of one say nothing of the other" {
    client 'make_scarce(LO)' 'connect(); connect(LO)'
    [[ $status -eq 0 && ${recycled[*]: -2} == 'false true' ]]
}

@test "a thread that is in another network namespace by setns()" {
    space
    nsenter -n -t "$space" "$ACT" time-limit:60 "listen:$PORT" accept readn:1 write:1 readall close \
        </dev/null >/dev/null 2>&1 3>&- &
    pids+=("$!")
    until_true 10000 listening_there
    client 'make_scarce()' 'connect()' \
        "assert ctypes.CDLL(None).setns(os.open('/proc/$space/ns/net', os.O_RDONLY), 0) == 0" 'connect()'
    [[ $status -eq 0 && ${recycled[*]: -2} == 'true false' ]]
}

listening_there() {
    nsenter -n -t "$space" ss -Htln "sport = :$PORT" | grep -q .
}
