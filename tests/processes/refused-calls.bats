# An inherited filter that refuses system calls of ours, as a container's or systemd's does: what
# fails is left out, and doubt makes no close more abortive.
# shellcheck disable=SC2154 # run_recycle sets them
load ../lib/helper
load ../lib/each-policy
load ../lib/recycling

policy=off # each_policy sets it
REFUSE=$BUILD/tests/refuse

# Of the calls that we make, those that act does not.
OURS=(getpid getcwd madvise ppoll preadv process_vm_readv process_vm_writev pwritev2 recvmmsg
    rt_sigprocmask statx)

# conversation WRAPPER...: what act sees, and the server, with unread input at the close.
conversation() {
    rm -f "$LOG"
    serve "$PORT" accept readn:1000 write:100 readall close
    NOTIMEWAIT_LOG=$LOG "$@" "$ACT" "connect:$PORT" write:1000 readn:50 wait-acked dup:b close@b getlinger close
    finish server | grep -v '^listen '
}

as_with_all_calls() {
    local answer wanted
    wanted=$(conversation preload "$policy")
    for answer in ENOSYS EPERM; do
        new_port
        diff <(echo "$wanted") \
            <(conversation preload "$policy" "$REFUSE" "${OURS[@]/%/=$answer}" --)
    done
}

@test "each policy where all calls are refused that are only ours" {
    ONLY='auto fin-rst last-read drain:50 abort' each_policy as_with_all_calls
}

# decided RULES REFUSED...: the policy of a client's connection, whose peer is 127.0.0.1.
decided() {
    new_port
    rm -f "$LOG"
    serve "$PORT" accept readall close
    NOTIMEWAIT_LOG=$LOG NOTIMEWAIT_RULES=$1 preload "$policy" "$REFUSE" "${@:2}" -- "$ACT" \
        quiet "connect:$PORT" write:5 wait-acked close
    finish server >/dev/null
    json policy "$LOG"
}

@test "rules where addresses cannot be read: a client's is the one that it connects to" {
    local refused=(process_vm_readv getpeername getsockname)
    policy=abort
    [[ $(decided 'peer=127.0.0.1 => off' "${refused[@]}") == off ]]
    [[ $(decided 'peer=10.0.0.0/8 => off' "${refused[@]}") == abort ]]
    policy=auto
    [[ $(decided 'peer=127.0.0.1 => abort' "${refused[@]}") == abort ]]
}

# accepted RULES: the same of a server's, whose peer nobody tells.
accepted() {
    new_port
    rm -f "$LOG"
    NOTIMEWAIT_LOG=$LOG NOTIMEWAIT_RULES=$1 start server env LD_PRELOAD="$LIB" \
        NOTIMEWAIT_POLICY="$policy" "$REFUSE" getpeername -- "$ACT" "listen:$PORT" accept readn:5 close
    wait_output server '^listen'
    act quiet "connect:$PORT" write:5 readall
    finish server >/dev/null
    json policy "$LOG"
}

@test "a server's peer that nobody tells: a rule that says off matches, no other does" {
    policy=abort
    [[ $(accepted 'peer=10.0.0.0/8 => off') == off ]]
    policy=auto
    [[ $(accepted 'peer=127.0.0.1 => abort') == auto ]]
    [[ $(accepted 'peer=127.0.0.1 => abort; peer=10.0.0.0/8 => off; role=server => abort') == off ]]
}

@test "the same rules where ports are scarce, and the peer is looked at before connect()" {
    # (Its address is not on the stack, nor in the program's data or heap.)
    export NOTIMEWAIT_LOG=$LOG NOTIMEWAIT_RULES='peer=127.0.0.1 => off'
    ports 20
    run_recycle env LD_PRELOAD="$LIB" NOTIMEWAIT_POLICY=abort "$REFUSE" process_vm_readv -- \
        "$BUILD/tests/recycle" port="$(port)" n=40 mapped=1
    [[ $failed -eq 20 && $EADDRNOTAVAIL -eq 20 ]]
    [[ $(jq -r 'select(.role == "client").policy' "$LOG" | uniq -c | xargs) == '20 off' ]]
    # Without a rule: as without the library.
    rm "$LOG"
    unset NOTIMEWAIT_RULES
    ports 20
    run_recycle env LD_PRELOAD="$LIB" NOTIMEWAIT_POLICY=auto "$REFUSE" process_vm_readv -- \
        "$BUILD/tests/recycle" port="$(port)" n=40 mapped=1
    [[ $failed -eq 20 && $EADDRNOTAVAIL -eq 20 ]]
    # Where the address can be read without that call, nothing changes.
    ports 20
    run_recycle env LD_PRELOAD="$LIB" NOTIMEWAIT_POLICY=auto "$REFUSE" process_vm_readv -- \
        "$BUILD/tests/recycle" port="$(port)" n=40
    [[ $failed -eq 0 ]]
}

@test "a pause that is refused is none: a connect() without a port fails as without the library" {
    ports 20
    for answer in ENOSYS EPERM; do
        new_port
        run timeout 30 env LD_PRELOAD="$LIB" NOTIMEWAIT_POLICY=auto "$REFUSE" "ppoll=$answer" -- \
            /usr/bin/python3 -c '
import errno, socket, sys
server = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=64)
held = []
try:
    for _ in range(21):
        held.append(socket.create_connection(server.getsockname()))
except OSError as error:
    print(len(held), errno.errorcode[error.errno])
' "$PORT"
        echo "$answer: status $status, $output"
        [[ $status -eq 0 && $output == '20 EADDRNOTAVAIL' ]]
    done
}
