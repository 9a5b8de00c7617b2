# A connection is closed while another thread makes a copy of it, in this process or another: no
# byte that is written to the copy is lost, and no lever stays on it. FORKRACE=N: N rounds for
# each way and policy, in place of some hundred.
load ../lib/helper

# races WAY ROUNDS [CLOSER]: under each policy whose lever is not safe for shared sockets, all at once. In
# some of all these rounds the copy is made in time; without any, nothing was shown.
races() {
    local policy bad=0 copies=0 policies=(abort delay:0 drain:0 drain-eof:0 last-read)
    for policy in "${policies[@]}"; do
        start "$policy" preload "$policy" "$BUILD/tests/copies" "$1" "${FORKRACE:-$2}" 0 "${3:-close}"
    done
    for policy in "${policies[@]}"; do
        finish "$policy" "$((FORKRACE ? 86400000 : 300000))" || bad=1
        [[ $(output_of "$policy") =~ ' rounds, '([0-9]+)' copies, ' ]] || bad=1
        copies=$((copies + BASH_REMATCH[1]))
    done
    [[ $bad -eq 0 && $copies -gt 0 ]]
}

@test "fork, _Fork and clone by another thread" {
    races fork 200
    races _Fork 200
    races clone 100
}

@test "posix_spawn, and vfork and exec, by another thread" {
    races spawn 80
    races vfork 80
}

@test "pidfd_spawn by another thread" {
    nm -D "$(ldd "$ACT" | awk '$1 == "libc.so.6" { print $3 }')" | grep -q ' pidfd_spawn@' ||
        skip 'this libc has none (glibc 2.39 does)'
    races pidfd_spawn 80
}

@test "dup, dup2, dup3 and fcntl by another thread" {
    races dup 800
    races dup2 800
    races dup3 800
    races fcntl 800
}

@test "the same where dup2, dup3, close_range, fclose or SYS_close closes it" {
    local closer
    for closer in dup2 dup3 close_range fclose number; do
        races dup 400 $closer
        races fork 30 $closer
    done
}

@test "another thread passes it on by SCM_RIGHTS" {
    races rights 800
}

# late WAY: the copy is made while the close has pulled its lever, and has not begun in the kernel;
# where this machine is slow, before. Adds those to $copies.
late() {
    run strace -f -o /dev/null -e trace=close -e inject=close:delay_enter=60000 -E LD_PRELOAD="$LIB" \
        -E NOTIMEWAIT_POLICY=abort "$BUILD/tests/copies" "$1" 2 20000
    echo "$output"
    [[ $output =~ "$1: 2 rounds, "([0-9])" copies, bytes lost in 0, a linger on 0" ]]
    copies=$((copies + BASH_REMATCH[1]))
}

@test "whoever copies it between the lever and the close waits, and finds it closed" {
    need strace
    local way copies=0
    for way in dup dup2 dup3 fcntl number rights fork _Fork clone; do
        late "$way"
    done
    [[ $copies -lt 18 ]]
}

@test "a dup2 or dup3 that fails takes the lever back, and the connection goes on" {
    local policy verb
    for policy in abort delay:0 linger:2; do
        for verb in dup2 dup3; do
            new_port
            rm -f "$LOG"
            serve "$PORT" accept readall close
            NOTIMEWAIT_LOG=$LOG LD_PRELOAD=$LIB NOTIMEWAIT_POLICY=$policy run \
                "$BUILD/tests/refuse" dup2 dup3 -- "$ACT" "connect:$PORT@b" write:1000@b fd:1@n \
                "$verb:b@n" getlinger@b write:500@b wait-acked@b close@b
            echo "$output"
            cat "$LOG"
            [[ $output == *ENOSYS*'getlinger 0:'*'write 500'* ]]
            [[ $(json 'via + " " + .policy' "$LOG") == "close $policy" ]]
            run finish server
            [[ $output == *'readall 1500 '* ]]
        done
    done
}

# The limit may be lowered below an fd that is open: dup2() to it says EBADF, and closes nothing.
@test "dup2 and dup3 to an fd beyond the limit do not wait, and the connection goes on" {
    need python3
    serve "$PORT" accept readall close
    NOTIMEWAIT_LOG=$LOG run preload delay:2000 python3 -c '
import errno, os, resource, socket, sys, time
while os.dup(0) < 299:
    pass
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
s.sendall(b"x" * 1000)
most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (200, most))
begun = time.monotonic()
for inheritable in True, False: # dup2(), dup3()
    try:
        os.dup2(0, s.fileno(), inheritable)
    except OSError as e:
        print(errno.errorcode[e.errno], time.monotonic() - begun < 1)
s.sendall(b"y" * 500)
os._exit(0)' "$PORT"
    echo "$output"
    [[ $output == $'EBADF True\nEBADF True' ]]
    run finish server
    [[ $output == *'readall 1500 EOF'* ]]
}
