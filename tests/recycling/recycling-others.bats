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

# signed True|False: 10 connections from 10 ports, and 5 more when their entries are old enough;
# with TCP_MD5SIG if True. Prints how many failed, and how many had TCPI_OPT_TIMESTAMPS.
signed() {
    preload auto python3 -c '
import errno, socket, struct, sys, threading, time
MD5 = sys.argv[1] == "True"

def make():
    s = socket.socket()
    if MD5: # struct tcp_md5sig (tcp.h)
        peer = struct.pack("=HH4s120x", socket.AF_INET, 0, socket.inet_aton("127.0.0.1"))
        s.setsockopt(socket.IPPROTO_TCP, 14, peer + struct.pack("=BBHI80s", 0, 0, 3, 0, b"key"))
    return s

def serve():
    while True:
        c = listener.accept()[0]
        c.recv(1)
        c.send(b"y")
        c.recv(1)
        c.close()

listener = make()
listener.bind(("127.0.0.1", int(sys.argv[2])))
listener.listen(9)
threading.Thread(target=serve, daemon=True).start()
failed = with_timestamps = 0
for i in range(15):
    if i == 10:
        time.sleep(1.3)
    s = make()
    try:
        s.connect(listener.getsockname())
        s.send(b"x")
        s.recv(1)
        with_timestamps += s.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 8)[5] & 1
    except OSError as e:
        failed += e.errno == errno.EADDRNOTAVAIL
    s.close()
print(failed, with_timestamps)' "$1" "$(port)"
}

@test "TCP_MD5SIG: a connection without timestamps, whose port is not taken over" {
    # (To take away a key that there is not is ENOENT.)
    run python3 -c 'import socket; socket.socket().setsockopt(6, 14, b"\2" + bytes(215))'
    [[ $output != *'Protocol not available'* ]] || skip 'this kernel has no TCP_MD5SIG'
    ports 10
    run signed False
    echo "$output"
    [[ $output == '0 15' ]]
    ports 10
    run signed True
    echo "$output"
    [[ $output == '5 0' ]]
}
