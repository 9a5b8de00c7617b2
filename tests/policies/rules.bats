# NOTIMEWAIT_RULES and splits: which connection gets which policy.
load ../lib/helper

config() {
    "$BUILD/tests/config" "$@"
}

# chosen 'ROLE LOCAL_PORT PEER PEER_PORT PROGRAM' RULES: the policy under these rules.
chosen() {
    local role local_port peer peer_port program
    read -r role local_port peer peer_port program <<<"$1"
    config --choose "$role" "127.0.0.1 $local_port" "$peer $peer_port" "$program" 1 \
        NOTIMEWAIT_POLICY=off "NOTIMEWAIT_RULES=$2" | cut -d' ' -f1
}

@test "selectors: role, peer, port, program; all of a rule must match, the first rule wins" {
    local wanted connection rules
    while IFS='|' read -r wanted connection rules; do
        [[ -n $wanted ]] || continue
        echo "$connection under '$rules': $(chosen "$connection" "$rules"), wanted $wanted"
        [[ $(chosen "$connection" "$rules") == "$wanted" ]]
    done <<'END'
auto|client 4000 10.0.0.1 80 curl|role=client => auto
off|server 80 10.0.0.1 4000 curl|role=client => auto
auto|server 80 10.0.0.1 4000 nginx|role=server => auto
off|unknown 80 10.0.0.1 4000 inetd|role=server => auto; role=client => abort; port=80 => abort
auto|client 4000 10.0.0.1 5432 psql|port=5432 => auto
off|client 5432 10.0.0.1 4000 psql|port=5432 => auto
auto|server 5432 10.0.0.1 4000 postgres|port=5432 => auto
off|server 4000 10.0.0.1 5432 postgres|port=5432 => auto
auto|client 4000 10.0.0.1 8000 curl|port=8000-8099 => auto
auto|client 4000 10.0.0.1 8099 curl|port=8000-8099 => auto
off|client 4000 10.0.0.1 8100 curl|port=8000-8099 => auto
off|client 4000 10.0.0.1 7999 curl|port=8000-8099 => auto
auto|client 4000 10.1.2.3 80 curl|peer=10.0.0.0/8 => auto
off|client 4000 11.1.2.3 80 curl|peer=10.0.0.0/8 => auto
auto|client 4000 10.1.2.3 80 curl|peer=10.1.2.3 => auto
off|client 4000 10.1.2.2 80 curl|peer=10.1.2.3 => auto
auto|client 4000 10.1.2.2 80 curl|peer=10.1.2.3/31 => auto
auto|client 4000 10.1.2.3 80 curl|peer=0.0.0.0/0 => auto
off|client 4000 2001:db8::1 80 curl|peer=0.0.0.0/0 => auto
auto|client 4000 2001:db8::1 80 curl|peer=::/0 => auto
off|client 4000 10.1.2.3 80 curl|peer=::/0 => auto
off|client 4000 ::ffff:10.1.2.3 80 curl|peer=::/0 => auto
auto|client 4000 10.1.2.3 80 curl|peer=::ffff:0:0/96 => auto
auto|client 4000 2001:db8::1 80 curl|peer=2001:db8::/32 => auto
off|client 4000 2001:db9::1 80 curl|peer=2001:db8::/32 => auto
auto|client 4000 ::ffff:10.1.2.3 80 curl|peer=10.0.0.0/8 => auto
auto|client 4000 10.1.2.3 80 curl|peer=::ffff:10.0.0.0/104 => auto
auto|client 4000 10.0.0.1 80 curl|program=curl => auto
off|client 4000 10.0.0.1 80 curly|program=curl => auto
auto|client 4000 10.0.0.1 80 python3.11|program=python* => auto
auto|client 4000 10.0.0.1 80 python3.11|program=*3.1? => auto
off|client 4000 10.0.0.1 80 python3|program=python?* => off
auto|client 4000 10.0.0.1 80 python3|program=python[0-9] => auto
off|client 4000 10.0.0.1 80 python3|program=python[!0-9] => auto
auto|client 4000 10.0.0.1 80 curl|port=80=>auto
auto|client 4000 10.0.0.1 80 curl|role=client port=80 peer=10.0.0.0/8 program=c* => auto
off|client 4000 10.0.0.1 81 curl|role=client port=80 peer=10.0.0.0/8 program=c* => auto
auto|client 4000 10.0.0.1 80 curl|port=80 => auto; role=client => abort
abort|client 4000 10.0.0.1 81 curl|port=80 => auto; role=client => abort
drain:500|client 4000 10.0.0.1 81 curl| ;; port=81  =>  drain:500 ;;
END
}

@test "bad rules: one line names the word and what is accepted; all is off" {
    local bad word
    while IFS='|' read -r word bad; do
        [[ -n $word ]] || continue
        run config "NOTIMEWAIT_RULES=$bad"
        echo "$output"
        [[ $status -eq 2 && ${#lines[@]} -eq 1 ]]
        [[ $output == "libnotimewait: NOTIMEWAIT_RULES: '$word' is not accepted; accepted: "* ]]
    done <<'END'
port=0|port=0 => off
port=65536|port=65536 => off
port=9-3|port=9-3 => off
port=1-|port=1- => off
port=http|port=http => off
role=peer|role=peer => off
role=|role= => off
peer=10.0.0.0/33|peer=10.0.0.0/33 => off
peer=::/129|peer=::/129 => off
peer=localhost|peer=localhost => off
peer=10.0.0.0/|peer=10.0.0.0/ => off
program=|program= => off
host=x|host=x => off
=> off|=> off
port=1|port=1
port=1 =>|port=1 =>
port=2|port=1 port=2 => off
role=client|role=client port=1 role=client => off
off2|port=1 => off2
x|port=1 => off x
drain:x|port=1 => auto; port=2 => drain:x
END
}

@test "splits: weights, their default, their bounds, the same policy twice" {
    run config 'NOTIMEWAIT_POLICY=off@90|auto@10|drain' 'NOTIMEWAIT_RULES=port=1 => abort|off@3'
    echo "$output"
    [[ $output == 'policy off@90|auto@10|drain:200@1 '*' rules 1 '* ]]
    run config --choose client '1.1.1.1 1' '1.1.1.1 1' x 1000 'NOTIMEWAIT_POLICY=off@90|auto@8|off@2'
    echo "$output"
    [[ $output == $'off 920\nauto 80' ]]
    local bad
    for bad in 'off@' 'off@0' 'off@1000001' 'off@x' 'off|' '|off' 'off||auto' '|' 'off@1@2' 'off,auto'; do
        run config "NOTIMEWAIT_POLICY=$bad"
        echo "$output"
        [[ $status -eq 2 && $output == *"' is not accepted; accepted: "*'; no policy is in force' ]]
    done
    run config 'NOTIMEWAIT_POLICY=off||auto'
    [[ $output == *": 'off||auto' is not accepted"* ]]
    run config NOTIMEWAIT_SEED=18446744073709551615
    [[ $output == *' seed 18446744073709551615 '* ]]
    run config NOTIMEWAIT_SEED=18446744073709551616
    [[ $output == *"NOTIMEWAIT_SEED: '18446744073709551616' is not accepted"* ]]
}

@test "on the wire: rules by port, by peer and by role choose the lever" {
    export NOTIMEWAIT_LOG=$LOG
    serve "$PORT" loop:3 accept readall close end
    NOTIMEWAIT_RULES="port=$PORT peer=127.0.0.0/8 => abort" preload off act "connect:$PORT" close
    NOTIMEWAIT_RULES="role=server => abort; peer=10.0.0.0/8 => abort" \
        preload fin-rst act "connect:$PORT" close
    NOTIMEWAIT_RULES="peer=::1 => abort; program=act => linger:1" preload off act "connect:$PORT" close
    finish server
    [[ $(json policy "$LOG" | xargs) == 'abort fin-rst linger:1' ]]
    new_port
    rm "$LOG"
    NOTIMEWAIT_RULES="role=server port=$PORT => drain:100" serve_preload off "$PORT" accept readall close
    act "connect:$PORT" close
    finish server
    [[ $(json policy "$LOG") == drain:100 && $(json role "$LOG") == server ]]
}

@test "a policy is settled at birth and stays" {
    export NOTIMEWAIT_LOG=$LOG
    serve "$PORT" loop:40 accept readall close end
    NOTIMEWAIT_SEED=3 preload 'off|fin-rst' act loop:40 "connect:$PORT" getlinger2 close end
    finish server
    # What was armed at birth is what the record says.
    [[ $(jq -c 'select((.policy == "off") != (.action == "none"))' "$LOG") == '' ]]
    [[ $(json policy "$LOG" | sort | uniq -c | wc -l) -eq 2 ]]
}

@test "a socket that connects to another address after a failure is the other peer's" {
    export NOTIMEWAIT_LOG=$LOG
    # second.py PORT [blocking]: in vain to 127.0.0.2, then to 127.0.0.1
    cat >"$BATS_TEST_TMPDIR/second.py" <<'END'
import select, socket, sys
s = socket.socket()
s.setblocking(False)
s.connect_ex(("127.0.0.2", 1))
select.select([], [s], [], 5)
assert s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
s.setblocking(len(sys.argv) > 2)
for attempt in range(2):
    s.connect_ex(("127.0.0.1", int(sys.argv[1])))
select.select([], [s], [], 5)
s.close()
END
    serve "$PORT" loop:5 accept readall close end
    for second in '' blocking; do # shellcheck disable=SC2086
        NOTIMEWAIT_RULES='peer=127.0.0.2 => abort' preload fin-rst \
            python3 "$BATS_TEST_TMPDIR/second.py" "$PORT" $second
        NOTIMEWAIT_RULES='peer=127.0.0.1 => abort' preload fin-rst \
            python3 "$BATS_TEST_TMPDIR/second.py" "$PORT" $second
    done
    # Where no cookie was asked for, nothing tells that it is the socket of then: no lever.
    NOTIMEWAIT_RULES='peer=127.0.0.1 => abort' preload auto python3 "$BATS_TEST_TMPDIR/second.py" "$PORT"
    finish server
    jq -r '"\(.peer) \(.policy) \(.reason)"' "$LOG"
    [[ $(json peer "$LOG" | sort -u) == "127.0.0.1:$PORT" ]]
    [[ $(json policy "$LOG" | xargs) == 'fin-rst abort fin-rst abort abort' ]]
    [[ $(json action "$LOG" | xargs) == 'fin-rst rst fin-rst rst none' ]]
}

@test "the name of a program that fexecve() started is its file's" {
    serve "$PORT" accept readall close
    NOTIMEWAIT_LOG=$LOG NOTIMEWAIT_RULES='program=act => off' preload abort python3 -c '
import os, sys
os.execve(os.open(sys.argv[1], os.O_RDONLY), sys.argv[1:], os.environ)' "$ACT" "connect:$PORT" close
    [[ $(json program "$LOG") == act && $(json policy "$LOG") == off ]]
}

@test "NOTIMEWAIT_SEED repeats a split; without it two runs differ" {
    local run
    serve "$PORT" loop:160 accept readall close end
    for run in 1 2 3 4; do
        [[ $run -lt 3 ]] && export NOTIMEWAIT_SEED=7 || unset NOTIMEWAIT_SEED
        NOTIMEWAIT_LOG=$LOG.$run preload 'off|auto' act loop:40 "connect:$PORT" close end
    done
    finish server
    [[ $(json policy "$LOG.1") == "$(json policy "$LOG.2")" ]]
    [[ $(json policy "$LOG.3") != "$(json policy "$LOG.4")" ]]
    [[ $(json policy "$LOG.1" | sort -u | wc -l) -eq 2 ]]
}

@test "NOTIMEWAIT_SEED: forked children draw differently, and repeatably" {
    local run fork
    serve "$PORT" loop:160 accept readall close end
    for fork in fork fork:_Fork; do
        for run in 1 2; do
            NOTIMEWAIT_SEED=7 NOTIMEWAIT_LOG=$LOG.$fork.$run preload 'off|auto' \
                act loop:40 $fork "connect:$PORT" close end wait end
        done
        [[ $(json policy "$LOG.$fork.1" | sort | uniq -c | awk '$1 >= 8' | wc -l) -eq 2 ]]
        [[ $(json policy "$LOG.$fork.1") == "$(json policy "$LOG.$fork.2")" ]]
    done
    finish server
}

@test "NOTIMEWAIT_SEED: a child does not draw what the next child draws, a draw later" {
    local policies i same=0
    serve "$PORT" loop:40 accept readall close end
    NOTIMEWAIT_SEED=7 NOTIMEWAIT_LOG=$LOG preload 'off|auto' act loop:20 fork "connect:$PORT" close \
        "connect:$PORT" close exit end wait end
    finish server
    mapfile -t policies < <(json policy "$LOG")
    for ((i = 1; i < 39; i += 2)); do
        [[ ${policies[i]} != "${policies[i + 1]}" ]] || same=$((same + 1))
    done
    echo "the same in $same of 19"
    [[ ${#policies[@]} -eq 40 && $same -ge 4 && $same -le 15 ]]
}

@test "connect() with a bad pointer is EFAULT under rules, too" {
    NOTIMEWAIT_RULES='peer=10.0.0.0/8 => off' run preload auto python3 -c '
import ctypes, socket
libc = ctypes.CDLL(None, use_errno=True)
s = socket.socket()
assert libc.connect(s.fileno(), ctypes.c_void_p(1), 16) == -1
assert ctypes.get_errno() == 14'
    echo "$output"
    [[ $status -eq 0 ]]
}
