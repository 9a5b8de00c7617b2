# NOTIMEWAIT_STATS: one object per process, at its end, whose figures are true.
load ../lib/helper

# counted POLICY CMD...: runs it with statistics into $STATS.
counted() {
    STATS=$BATS_TEST_TMPDIR/stats.json
    NOTIMEWAIT_STATS=$STATS preload "$@"
}

# stat FILTER: of the one object, its first policy.
stat() {
    jq -c ".policies[0]$1" "$STATS"
}

@test "the object has the design's fields, in order" {
    serve "$PORT" loop:9 accept readn:10 write:10 readall close end
    counted fin-rst act loop:9 "connect:$PORT" write:10 readn:10 close end
    cat "$STATS"
    [[ $(wc -l <"$STATS") -eq 1 ]]
    [[ $(jq -c 'keys_unsorted' "$STATS") == '["pid","program","policies"]' ]]
    [[ $(stat '|keys_unsorted') == '["policy","connections","closes","recycled","actions","reasons","time_wait_avoided","time_wait_left","connect_errors","io_errors","close_us","connect_us"]' ]]
    [[ $(stat .actions) == '{"none":0,"rst":0,"fin-rst":9,"linger":0}' ]]
    [[ $(stat .reasons) == '{"armed":9}' && $(stat .connect_errors) == '{"EADDRNOTAVAIL":0}' ]]
    [[ $(stat '|[.policy,.connections,.closes,.time_wait_avoided,.time_wait_left]') == '["fin-rst",9,9,9,0]' ]]
    [[ $(stat .recycled) -eq 0 ]]
    [[ $(stat .io_errors) == '{"ECONNRESET":0,"EPIPE":0,"ETIMEDOUT":0}' ]]
    [[ $(stat '.close_us|.p50 > 0 and .p99 >= .p50 and .max >= .p99') == true ]]
    [[ $(stat '.connect_us|.p50 > 0 and .p99 >= .p50 and .max >= .p99') == true ]]
}

@test "time_wait_left under off is what ss counts; fin-rst avoids as many" {
    share_cpu
    serve "$PORT" loop:60 accept readn:1 write:1 readall close end
    counted off act loop:30 "connect:$PORT" write:1 readn:1 close end
    settle "$PORT"
    [[ $(stat .time_wait_left) -eq 30 && $(time_wait_client "$PORT") -eq 30 ]]
    rm "$STATS"
    counted fin-rst act loop:30 "connect:$PORT" write:1 readn:1 close end
    finish server
    settle "$PORT"
    [[ $(stat '|[.time_wait_avoided,.time_wait_left]') == '[30,0]' && $(time_wait_client "$PORT") -eq 30 ]]
}

@test "no TIME_WAIT is counted where the kernel resets: unread input, connect(AF_UNSPEC)" {
    serve "$PORT" accept write:10 readall close accept readall close
    counted auto act "connect:$PORT" wait-unread:10 close "connect:$PORT" connect-unspec close
    finish server
    settle "$PORT"
    cat "$STATS"
    [[ $(stat '|[.closes,.time_wait_avoided,.time_wait_left]') == '[2,0,0]' ]]
    [[ $(time_wait_client "$PORT") -eq 0 ]]
}

@test "io_errors: what reads and writes returned; that nothing was there yet is none" {
    serve "$PORT" accept readn:10 linger:1:0 close
    counted auto act "connect:$PORT" recv-dontwait:1 write:10 read:1 write:1 write:1 close
    finish server
    cat "$STATS"
    [[ $(stat .io_errors) == '{"ECONNRESET":1,"EPIPE":2,"ETIMEDOUT":0}' ]]
}

@test "a split within one process: the figures of its policies add up" {
    share_cpu
    serve "$PORT" loop:200 accept readn:1 write:1 readall close end
    NOTIMEWAIT_SEED=1 NOTIMEWAIT_LOG=$LOG counted 'off@3|fin-rst@1' \
        act loop:200 "connect:$PORT" write:1 readn:1 close end
    finish server
    settle "$PORT"
    cat "$STATS"
    [[ $(jq -c '[.policies[].closes]|add' "$STATS") -eq 200 ]]
    [[ $(jq '.policies[]|select(.policy=="off").closes' "$STATS") -eq $(grep -c '"policy":"off"' "$LOG") ]]
    [[ $(jq '.policies[]|select(.policy=="off").time_wait_left' "$STATS") -eq $(time_wait_client "$PORT") ]]
    # 3 of 4, give or take five standard deviations
    [[ $(jq '.policies[]|select(.policy=="off").closes|. > 119 and . < 181' "$STATS") == true ]]
}

@test "connect errors by name: EADDRNOTAVAIL when the ports are used up, ECONNREFUSED" {
    echo '40000 40009' >/proc/sys/net/ipv4/ip_local_port_range
    serve "$PORT" loop:10 accept readall close end
    counted off act loop:12 "connect:$PORT" close end
    echo '32768 60999' >/proc/sys/net/ipv4/ip_local_port_range
    cat "$STATS"
    [[ $(stat '|[.connections,.connect_errors.EADDRNOTAVAIL]') == '[10,2]' ]]
    rm "$STATS"
    counted off act "connect:1" connect-nonblock:1
    [[ $(stat .connect_errors) == '{"EADDRNOTAVAIL":0,"ECONNREFUSED":1}' && $(stat .connections) -eq 0 ]]
}

@test "non-blocking connections count once they are established, and not their EINPROGRESS" {
    serve "$PORT" accept readall close
    counted auto act "connect-nonblock:$PORT" connect-wait write:1 close
    finish server
    cat "$STATS"
    [[ $(stat '|[.connections,.closes]') == '[1,1]' ]]
    # No figure is null, not zero.
    [[ $(stat .connect_us) == '{"p50":null,"p99":null,"max":null}' ]]
}

@test "a connect() that fails later counts when the program asks why, and once" {
    counted auto act loop:3 connect-nonblock:1 connect-wait close end
    cat "$STATS"
    [[ $(stat .connect_errors) == '{"EADDRNOTAVAIL":0,"ECONNREFUSED":3}' && $(stat .connections) -eq 0 ]]
    # Told once: Linux answers the next connect() with ECONNABORTED; by Fast Open, which succeeds
    # before there is a connection; after a signal.
    rm "$STATS"
    counted auto act connect-nonblock:1 connect-wait connect:1
    [[ $(stat '|[.connections,.connect_errors]') == '[0,{"EADDRNOTAVAIL":0,"ECONNREFUSED":1}]' ]]
    rm "$STATS"
    counted auto act socket fastopen-connect connect:1 write:1 connect-wait close
    cat "$STATS"
    [[ $(stat '|[.connections,.closes]') == '[0,0]' ]]
    # An error of an established connection is none of connect()'s.
    rm "$STATS"
    serve "$PORT" accept readn:1 linger:1:0 close
    counted auto act "connect-nonblock:$PORT" connect-wait write:1 wait-state:CLOSE connect-wait close
    finish server
    cat "$STATS"
    [[ $(stat .connect_errors) == '{"EADDRNOTAVAIL":0}' ]]
}

@test "at every end that a hook sees: return, exit, _exit, quick_exit; one object each" {
    local end
    serve "$PORT" loop:5 accept readall close end
    for end in say:return exit:3 _exit:3 quick_exit:3; do
        STATS=$BATS_TEST_TMPDIR/stats.json
        rm -f "$STATS"
        counted auto act "connect:$PORT" "$end" || true
        cat "$STATS"
        [[ $(wc -l <"$STATS") -eq 1 && $(stat '|[.connections,.closes,.reasons.exit]') == '[1,1,1]' ]]
    done
}

@test "forked children have objects of their own; nothing is counted twice" {
    serve "$PORT" loop:6 accept readall close end
    counted auto python3 -c '
import os, socket, sys
def connection():
    socket.create_connection(("127.0.0.1", int(sys.argv[1]))).close()
connection()
for end in os._exit, sys.exit:
    if os.fork() == 0:
        connection()
        connection()
        end(0)
    os.wait()
connection()' "$PORT"
    finish server
    # (python3 may be a script that starts the real one.)
    [[ $(jq -c 'select(.policies[0].connections > 0)|.policies[0].connections' "$STATS" | xargs) == '2 2 2' ]]
    [[ $(jq 'select(.policies[0].connections > 0).pid' "$STATS" | sort -u | wc -l) -eq 3 ]]
}

@test "daemon(): what was before it is told, and nothing twice" {
    serve "$PORT" loop:5 accept readall close end
    counted auto act loop:2 "connect:$PORT" close end daemon loop:3 "connect:$PORT" close end
    finish server
    both_told() {
        [[ $(wc -l <"$STATS") -eq 2 ]]
    }
    until_true 5000 both_told
    cat "$STATS"
    [[ $(jq -c '.policies[0].connections' "$STATS" | xargs) == '2 3' ]]
    [[ $(jq .pid "$STATS" | sort -u | wc -l) -eq 2 ]]
}

@test "%p, stderr, and a file that cannot be opened" {
    counted auto act say:x 2>"$BATS_TEST_TMPDIR/err"
    NOTIMEWAIT_STATS=$BATS_TEST_TMPDIR/s.%p preload auto act say:x
    [[ $(jq .pid "$BATS_TEST_TMPDIR"/s.*) == "$(basename "$BATS_TEST_TMPDIR"/s.* | cut -d. -f2)" ]]
    NOTIMEWAIT_STATS=stderr preload auto act say:x 2>"$BATS_TEST_TMPDIR/err"
    [[ $(jq -c .program "$BATS_TEST_TMPDIR/err") == '"act"' ]]
    NOTIMEWAIT_STATS=/nonexistent/x run preload auto act say:x
    [[ ${lines[0]} == "libnotimewait: NOTIMEWAIT_STATS: '/nonexistent/x' cannot be opened: No such file or directory; policies still apply" ]]
}

@test "percentiles are within 5 % of the truth" {
    serve "$PORT" loop:20 accept readall close end
    counted delay:20 act loop:20 "connect:$PORT" close end
    finish server || true
    cat "$STATS"
    [[ $(stat '.close_us|.p50 >= 19000') == true ]]
    run "$BUILD/tests/histogram"
    echo "$output"
    [[ $status -eq 0 ]]
}
