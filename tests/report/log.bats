# NOTIMEWAIT_LOG: every field of a record, and that writing it does the program no harm.
load ../lib/helper

# logged POLICY ADDR STEP...: a client of the server at ADDR:PORT, its records in $LOG.
logged() {
    NOTIMEWAIT_LOG=$LOG preload "$1" act "connect:$2:$PORT" "${@:3}"
}

@test "a record has exactly the fields of the design, in order, and is valid JSON" {
    serve "$PORT" accept readn:100 write:50 readall
    logged drain 127.0.0.1 write:100 readn:50 close
    cat "$LOG"
    [[ $(wc -l <"$LOG") -eq 1 ]]
    [[ $(jq -c 'keys_unsorted' "$LOG") == '["ts","pid","program","fd","via","role","local","peer","policy","state","last_op","unacked","unread","action","reason","recycled","connect_us","close_us"]' ]]
    [[ $(jq -c '[.ts,.pid,.fd,.unacked,.unread,.close_us|type]|unique' "$LOG") == '["number"]' ]]
    [[ $(jq -c '[.program,.via,.role,.policy,.state,.last_op,.action,.reason,.recycled]' "$LOG") == \
        '["act","close","client","drain:200","ESTABLISHED","read","rst","drained",false]' ]]
    [[ $(json peer "$LOG") == "127.0.0.1:$PORT" && $(json local "$LOG") =~ ^127.0.0.1:[0-9]+$ ]]
    # The time is now, in seconds.
    [[ $(jq "(.ts - $EPOCHREALTIME) | fabs < 60" "$LOG") == true ]]
}

@test "addresses: IPv6, v4-mapped printed as IPv4, and the server's side" {
    start server env NOTIMEWAIT_LOG="$LOG.server" LD_PRELOAD="$LIB" "$ACT" "listen:[::]:$PORT" \
        accept readall close accept readall close
    wait_output server '^listen'
    logged auto '[::1]' write:1 close
    logged auto '[::ffff:127.0.0.1]' write:1 close
    finish server
    cat "$LOG" "$LOG.server"
    [[ $(json peer "$LOG") == "[::1]:$PORT"$'\n'"127.0.0.1:$PORT" ]]
    [[ $(json role "$LOG" | uniq) == client && $(json role "$LOG.server" | uniq) == server ]]
    # What one side calls local is the other's peer.
    [[ $(json local "$LOG") == "$(json peer "$LOG.server")" ]]
    [[ $(json peer "$LOG") == "$(json local "$LOG.server")" ]]
}

@test "last operation: none, read, eof, write; peeking and failing change nothing" {
    local case
    for case in 'none:' 'write:write:10' 'read:write:10 readn:50' 'read:write:10 readn:50 read:0' \
        'write:write:10 readn:50 write:1' 'write:write:10 wait-unread:50 recv-peek:5' \
        'write:write:10 wait-unread:50 recvmsg-peek:5' 'read:write:10 readn:50 write:0' \
        'read:write:10 readn:50 recv-dontwait:5' 'read:write:10 readn:50 recv-errqueue:5' \
        'read:write:10 recvmsg:50' 'read:write:10 recvmmsg:50' 'read:write:10 readv:50' \
        'read:write:10 preadv2:50' 'read:write:10 recvfrom:50' 'read:write:10 read_chk:50' \
        'read:write:10 recv_chk:50' 'read:write:10 recvfrom_chk:50' 'read:write:10 splice-in:50' \
        'write:writev:10' 'write:pwritev2:10' 'write:send:10' 'write:sendto:10' \
        'write:sendmsg:10' 'write:sendmmsg:10' 'write:sendfile:10' 'write:sendfile64:10' \
        'write:splice:10' 'eof:write:10 readn:50 shutdown:wr readall'; do
        new_port
        rm -f "$LOG"
        serve "$PORT" accept readn:10 write:50 readall close
        # shellcheck disable=SC2086 # steps
        logged off 127.0.0.1 ${case#*:} close
        finish server || true
        echo "$case: $(json last_op "$LOG")"
        [[ $(json last_op "$LOG") == "${case%%:*}" ]]
    done
}

@test "last operation: unknown where bytes went around the hooks; 'none' is not guessed" {
    local steps
    for steps in readn:10 'readn:10 sleep:100'; do # a client has read last, if the times do not tell
        # shellcheck disable=SC2086 # words
        serve "$PORT" accept $steps write:50 readall close
        logged last-read 127.0.0.1 write-raw:10 read-raw:50 close
        run finish server
        cat "$LOG"
        [[ $(jq -c '[.last_op,.action,.reason]' "$LOG") == '["unknown","rst","read-last"]' ]]
        new_port
        rm "$LOG"
    done
    serve "$PORT" accept write:50 readall close
    logged last-read 127.0.0.1 wait-unread:50 close # received, never read
    run finish server
    cat "$LOG"
    [[ $(jq -c '[.last_op,.unread,.action,.reason]' "$LOG") == '["none",50,"none","not-read-last"]' ]]
}

@test "last operation: a write that no hook saw, as stdio's, is no read, whatever was read before" {
    local steps
    for steps in 'readn:50 write-raw:10' 'write:20 readn:50 write-raw:10' \
        'read-raw:50 sleep:100 write-raw:10'; do
        new_port
        rm -f "$LOG"
        serve "$PORT" accept write:50 readall close
        # shellcheck disable=SC2086 # words
        logged last-read 127.0.0.1 $steps sleep:50 close # the peer has acknowledged it
        run finish server
        echo "$steps: $output"
        cat "$LOG"
        [[ $output == *' EOF'* && $(jq -r .reason "$LOG") == not-read-last ]]
    done
    for steps in read-raw:10 readn:10; do # a server's answer, at once
        new_port
        rm -f "$LOG"
        NOTIMEWAIT_LOG=$LOG start server preload last-read act "listen:$PORT" accept $steps write-raw:50 sleep:50 close
        wait_output server '^listen'
        run act "connect:$PORT" write:10 readall close
        finish server
        echo "$steps: $output"
        cat "$LOG"
        [[ $output == *'readall 50 EOF'* && $(jq -c '[.role,.last_op,.reason]' "$LOG") == '["server","unknown","not-read-last"]' ]]
    done
}

# What a full queue of this host drops the kernel counts as sent, and sends as if it were new.
@test "last operation: a read is a read where packets were dropped here before" {
    ip link set lo mtu 1500
    tc qdisc add dev lo root tbf rate 20mbit burst 4000 limit 8000 || skip 'no token bucket filter here'
    serve "$PORT" accept readn:300000 write:50 readall close
    logged last-read 127.0.0.1 write:300000 readn:50 close
    tc -s qdisc show dev lo
    tc qdisc del dev lo root
    ip link set lo mtu 65536
    run finish server
    cat "$LOG"
    [[ $(jq -c '[.last_op,.action,.reason]' "$LOG") == '["read","rst","read-last"]' ]]
}

@test "last operation: what is unknown is no read while input is unread or output unacked" {
    serve "$PORT" accept readn:10 write:50 readall
    logged last-read 127.0.0.1 write-raw:10 wait-unread:50 read-raw:10 close
    run finish server
    cat "$LOG"
    [[ $(jq -c '[.last_op,.unread,.action,.reason]' "$LOG") == '["unknown",40,"none","not-read-last"]' ]]
    new_port
    rm "$LOG"
    serve "$PORT" rcvbuf:4096@l accept write:5 wait-file:"$BATS_TEST_TMPDIR/go" readall
    logged last-read 127.0.0.1 nonblock loop:500 write-raw:4096 end wait-unread:5 read-raw:5 close
    touch "$BATS_TEST_TMPDIR/go"
    run finish server
    cat "$LOG"
    [[ $(jq -c '[.last_op,.unread,.action,.reason]' "$LOG") == '["unknown",0,"none","not-read-last"]' ]]
    [[ $output == *' EOF'* ]]
}

@test "last operation: 0 after our own shutdown(SHUT_RD), and the error queue, are no EOF" {
    serve "$PORT" accept readall
    logged last-read 127.0.0.1 write:10 shutdown:rd read:1 close
    run finish server
    cat "$LOG"
    [[ $(jq -c '[.last_op,.reason]' "$LOG") == '["write","not-read-last"]' ]]
    new_port
    rm "$LOG"
    serve "$PORT" accept readall
    NOTIMEWAIT_LOG=$LOG preload off /usr/bin/python3 -c '
import select, socket, sys
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
s.setsockopt(socket.SOL_SOCKET, 37, 2 | 16 | 2048)  # SO_TIMESTAMPING: software, of what is sent
s.send(b"x")
select.poll().poll(0)
p = select.poll()
p.register(s, 0)
assert p.poll(5000)
assert s.recvmsg(10, 1024, socket.MSG_ERRQUEUE)[0] == b""
s.close()' "$PORT"
    finish server
    cat "$LOG"
    [[ $(json last_op "$LOG") == write ]]
}

@test "unacked and unread are bytes: what the peer did not take, what we did not read" {
    serve "$PORT" rcvbuf:4096@l accept write:50 wait-file:"$BATS_TEST_TMPDIR/go" readall close
    logged off 127.0.0.1 nonblock writen:100000 wait-unread:50 quiet close
    touch "$BATS_TEST_TMPDIR/go"
    finish server || true
    cat "$LOG"
    [[ $(json unread "$LOG") -eq 50 && $(json unacked "$LOG") -ge 1 ]]
}

@test "close_us includes the wait" {
    serve "$PORT" accept readall close
    logged delay:50 127.0.0.1 write:1 close
    finish server || true
    [[ $(jq '.close_us >= 50000' "$LOG") == true ]]
}

@test "a connection that never reached ESTABLISHED is not logged" {
    logged auto 127.0.0.1 close # refused
    [[ ! -s $LOG ]]
}

@test "stderr, %p, and a relative name after chdir" {
    serve "$PORT" accept readall close accept readall close accept readall close
    NOTIMEWAIT_LOG=stderr preload auto act "connect:$PORT" write:1 close 2>"$BATS_TEST_TMPDIR/err"
    [[ $(json via "$BATS_TEST_TMPDIR/err") == close ]]
    NOTIMEWAIT_LOG=$BATS_TEST_TMPDIR/log.%p-%p preload auto act "connect:$PORT" write:1 close
    local pid
    pid=$(jq .pid "$BATS_TEST_TMPDIR"/log.*-*)
    [[ -s $BATS_TEST_TMPDIR/log.$pid-$pid ]]
    cd "$BATS_TEST_TMPDIR"
    NOTIMEWAIT_LOG=here.json preload auto python3 -c '
import os, socket, sys
os.chdir("/")
socket.create_connection(("127.0.0.1", int(sys.argv[1]))).close()' "$PORT"
    [[ $(json program here.json) == python3 && ! -e /here.json ]]
    finish server
}

@test "records are appended, one write() each, also by many processes at once" {
    serve "$PORT" loop:200 accept readall close end
    local pids=()
    for _ in 1 2 3 4; do
        NOTIMEWAIT_LOG=$LOG preload auto act loop:50 "connect:$PORT" write:1 close end 3>&- &
        pids+=($!)
    done
    wait "${pids[@]}"
    finish server
    [[ $(jq -c .reason "$LOG" | wc -l) -eq 200 && $(wc -l <"$LOG") -eq 200 ]]
}

@test "the name of the program is escaped, and cut" {
    local program=$BATS_TEST_TMPDIR/$'a"b\\c\nd'
    cp "$ACT" "$program"
    serve "$PORT" accept readall close
    NOTIMEWAIT_LOG=$LOG preload auto "$program" "connect:$PORT" close
    [[ $(jq -j .program "$LOG") == $'a"b\\c\nd' && $(wc -l <"$LOG") -eq 1 ]]
    local name
    for name in 'café' $'no\xffutf8' "$(printf '\xc3\xa9%.0s' {1..120})"; do
        rm "$LOG"
        cp "$ACT" "$BATS_TEST_TMPDIR/$name"
        serve "$PORT" accept readall close
        NOTIMEWAIT_LOG=$LOG preload auto "$BATS_TEST_TMPDIR/$name" "connect:$PORT" close
        finish server
        /usr/bin/python3 -c 'import json, sys; print(json.loads(open(sys.argv[1], "rb").read())["program"])' "$LOG"
    done
}

@test "the record never goes into what has become fd 2: a socket, another file" {
    serve "$PORT" accept readall close accept readall close
    # dup2 of the connection over fd 2, then its close
    NOTIMEWAIT_LOG=stderr preload abort act "connect:$PORT" write:5 dup2:2:b close@b close
    NOTIMEWAIT_LOG=stderr preload auto python3 -c '
import os, socket, sys
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
os.close(2)
assert os.open(sys.argv[2], os.O_WRONLY | os.O_CREAT) == 2
s.close()' "$PORT" "$BATS_TEST_TMPDIR/other"
    run finish server
    echo "$output"
    [[ $output == *'readall 5 EOF'*'readall 0 EOF'* && ! -s $BATS_TEST_TMPDIR/other ]]
}

@test "a broken pipe, a full pipe, a full file: no signal, no wait; drops are counted" {
    serve "$PORT" loop:7 accept readall close end
    LOG_FULL=$BATS_TEST_TMPDIR/full run python3 - "$PORT" "$LIB" <<'END'
import json, os, resource, signal, subprocess, sys
port, lib = sys.argv[1:]
code = '''
import os, signal, socket, sys
signal.signal(signal.SIGPIPE, lambda *a: os._exit(3))
signal.signal(signal.SIGXFSZ, lambda *a: os._exit(4))
sys.stdin.readline()
for step in sys.stdin:
    socket.create_connection(("127.0.0.1", %s)).close()
    print("done", flush=True)
''' % port
def client(log, stderr, limit=None):
    env = dict(os.environ, LD_PRELOAD=lib, NOTIMEWAIT_LOG=log)
    soft = (limit, resource.RLIM_INFINITY) # which is what the signal goes by
    before = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, soft) if limit else None
    p = subprocess.Popen([sys.executable, '-c', code], env=env, stdin=subprocess.PIPE,
                         stdout=subprocess.PIPE, stderr=stderr, text=True, preexec_fn=before)
    p.stdin.write('\n')
    return p
def step(p):
    p.stdin.write('\n')
    p.stdin.flush()
    assert p.stdout.readline() == 'done\n'
# a full pipe, then room again: the next record tells of the two that were dropped
r, w = os.pipe()
os.set_blocking(w, False)
full = 0
try:
    while True:
        full += os.write(w, b'x' * 4096)
except BlockingIOError:
    pass
os.set_blocking(w, True)
p = client('stderr', w)
step(p)
step(p)
while full:
    full -= len(os.read(r, min(full, 65536)))
step(p)
record = json.loads(os.read(r, 65536))
assert record['dropped'] == 2, record
step(p)
assert 'dropped' not in json.loads(os.read(r, 65536))
os.close(r)
os.close(w)
step(p)  # a broken pipe
p.stdin.close()
assert p.wait() == 0, p.returncode
# a file that may not grow
path = os.environ['LOG_FULL']
p = client(path, None, 100)
step(p)
step(p)
p.stdin.close()
assert p.wait() == 0, p.returncode
print('fine')
END
    echo "$output"
    [[ $status -eq 0 && $output == fine ]]
}

@test "no fd of ours is open while the program runs, and its signal mask is its own" {
    serve "$PORT" accept readall close
    NOTIMEWAIT_LOG=$LOG run preload auto python3 -c '
import os, signal, socket, sys
before = sorted(os.listdir("/proc/self/fd"))
mask = signal.pthread_sigmask(signal.SIG_BLOCK, [])
socket.create_connection(("127.0.0.1", int(sys.argv[1]))).close()
assert before == sorted(os.listdir("/proc/self/fd"))
assert mask == signal.pthread_sigmask(signal.SIG_BLOCK, []) and not signal.sigpending()
' "$PORT"
    echo "$output"
    [[ $status -eq 0 && -s $LOG ]]
}
