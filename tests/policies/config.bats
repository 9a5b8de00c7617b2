# NOTIMEWAIT_ variables: what is accepted, and the one line that anything else gets.
load ../lib/helper

# parses 'WANTED OUTPUT' ENTRY...: the parser alone, on an environment of these entries; what is
# not said is as by default.
parses() {
    local wanted=$1
    shift
    run "$BUILD/tests/config" "$@"
    echo "$* -> $output"
    [[ $output == "$wanted stats none seed none rules 0 recycle auto" || $output == "$wanted" ]]
}

@test "an empty environment is auto, respect, no log" {
    parses 'policy auto@1 linger respect log none'
    parses 'policy auto@1 linger respect log none' PATH=/bin NOTIMEWAIT=1 XNOTIMEWAIT_POLICY=x
}

@test "an empty variable counts as unset, also one that does not exist" {
    parses 'policy auto@1 linger respect log none' \
        NOTIMEWAIT_POLICY= NOTIMEWAIT_LINGER= NOTIMEWAIT_LOG= NOTIMEWAIT_NONSENSE=
}

@test "every policy, its argument's default and its range" {
    local policy
    for policy in off auto fin-rst last-read abort drain:0 drain:60000 drain-eof:0 \
        drain-eof:60000 delay:0 delay:60000 linger:1 linger:3600; do
        parses "policy $policy@1 linger respect log none" "NOTIMEWAIT_POLICY=$policy"
    done
    parses 'policy drain:200@1 linger respect log none' NOTIMEWAIT_POLICY=drain
    parses 'policy drain-eof:200@1 linger respect log none' NOTIMEWAIT_POLICY=drain-eof
}

@test "a bad policy: one line names the variable, the text and what is accepted; all is off" {
    local bad
    for bad in abrt AUTO auto: auto:1 off:0 ' auto' 'auto ' drain: drain:-1 drain:+1 drain:0x1 \
        drain:1.5 'drain: 1' drain:60001 drain:99999999999999999999 drain:1:2 delay delay: \
        delay:60001 linger linger:0 linger:3601 last_read fin fin-rst-x :; do
        run "$BUILD/tests/config" "NOTIMEWAIT_POLICY=$bad"
        echo "$output"
        [[ $status -eq 2 && ${#lines[@]} -eq 1 ]]
        [[ $output == "libnotimewait: NOTIMEWAIT_POLICY: '$bad' is not accepted; accepted: "* ]]
        [[ $output == *'off, auto, fin-rst, last-read, drain[:MS], '*'(MS 0-60000, S 1-3600)'* ]]
    done
}

@test "NOTIMEWAIT_RECYCLE: auto or off" {
    parses 'policy auto@1 linger respect log none' NOTIMEWAIT_RECYCLE=auto
    parses 'policy auto@1 linger respect log none stats none seed none rules 0 recycle off' \
        NOTIMEWAIT_RECYCLE=off
    run "$BUILD/tests/config" NOTIMEWAIT_RECYCLE=on
    echo "$output"
    [[ $output == "libnotimewait: NOTIMEWAIT_RECYCLE: 'on' is not accepted; accepted: auto, off; no policy is in force" ]]
}

@test "a variable that there is no more is an unknown one" {
    local gone
    for gone in NOTIMEWAIT_REAP=on NOTIMEWAIT_SHUTDOWN=owed; do
        run "$BUILD/tests/config" "$gone"
        echo "$output"
        [[ $status -eq 2 && $output == "libnotimewait: ${gone%=*}: no such variable; accepted: "* ]]
    done
}

@test "a bad NOTIMEWAIT_LINGER, and an unknown variable" {
    run "$BUILD/tests/config" NOTIMEWAIT_LINGER=always
    echo "$output"
    [[ $output == "libnotimewait: NOTIMEWAIT_LINGER: 'always' is not accepted; accepted: respect, override; no policy is in force" ]]
    run "$BUILD/tests/config" NOTIMEWAIT_POLCIY=auto
    echo "$output"
    [[ $output == 'libnotimewait: NOTIMEWAIT_POLCIY: no such variable; accepted: NOTIMEWAIT_POLICY, '* ]]
}

@test "control characters and endless values do not get onto the terminal" {
    run "$BUILD/tests/config" "NOTIMEWAIT_POLICY=$(printf 'a\033[2J%0500d' 7)"
    echo "$output"
    [[ ${#lines[@]} -eq 1 && ${#output} -lt 512 ]]
    [[ $output == *"'a?[2J0000"*"...' is not accepted"*'no policy is in force' ]]
}

@test "bad configuration: the program runs, its connection is closed as without the library" {
    serve "$PORT" accept readall
    NOTIMEWAIT_LOG=$LOG run preload abrt act "connect:$PORT" write:100 getlinger2 close
    echo "$output"
    [[ $status -eq 0 ]]
    [[ ${lines[0]} == "libnotimewait: NOTIMEWAIT_POLICY: 'abrt' is not accepted"* ]]
    [[ ${lines[*]:1} == 'connect 0 write 100 getlinger2 60 close 0' ]]
    run finish server
    [[ $output == *'readall 100 EOF'* ]]
    [[ ! -e $LOG ]]
}

@test "bad configuration is never told to a program's connection" {
    serve "$PORT" accept readall
    # fd 2 is the connection, as inetd would have it.
    # shellcheck disable=SC2016 # bash's own variables
    run preload '' bash -c 'exec 2<>/dev/tcp/127.0.0.1/$1; NOTIMEWAIT_POLICY=abrt /bin/true' - "$PORT"
    [[ $status -eq 0 ]]
    run finish server
    echo "$output"
    [[ $output == *'readall 0 EOF'* ]]
}

@test "bad configuration is told where stderr is a UNIX socket: the journal" {
    run preload off /usr/bin/python3 -c '
import os, socket, subprocess, sys
ours, theirs = socket.socketpair()
env = dict(os.environ, NOTIMEWAIT_POLICY="abrt")
subprocess.run(["/bin/true"], stderr=theirs, env=env)
theirs.close()
print(ours.recv(1000).decode(), end="")'
    echo "$output"
    [[ $output == "libnotimewait: NOTIMEWAIT_POLICY: 'abrt' is not accepted"* && ${#lines[@]} -eq 1 ]]
}

@test "a log that cannot be opened: one line, policies still apply" {
    serve "$PORT" accept readall
    NOTIMEWAIT_LOG=$BATS_TEST_TMPDIR/none/log run preload fin-rst act "connect:$PORT" write:100 close
    echo "$output"
    [[ $status -eq 0 && ${#lines[@]} -eq 4 ]]
    [[ ${lines[0]} == "libnotimewait: NOTIMEWAIT_LOG: '$BATS_TEST_TMPDIR/none/log' cannot be opened: No such file or directory; policies still apply" ]]
    finish server
    settle "$PORT"
    [[ $(time_wait_client "$PORT") -eq 0 ]]
}

# in_trusted_dir CMD...: runs it in a mount namespace where /usr/lib, seen by it alone, has the
# library, and act as a setuid program; only from there does the loader preload into such a one.
in_trusted_dir() {
    # shellcheck disable=SC2016 # bash's own variables
    unshare -m bash -euc '
        mount -t tmpfs none "$1"
        mkdir "$1/upper" "$1/work"
        mount -t overlay none -o "lowerdir=/usr/lib,upperdir=$1/upper,workdir=$1/work" /usr/lib
        install -m 4755 "$2" /usr/lib/libnotimewait.so
        install -m 4755 "$3" /usr/lib/act
        shift 3
        exec setpriv --reuid 65534 --regid 65534 --clear-groups "$@"
    ' - "$BATS_TEST_TMPDIR" "$LIB" "$ACT" "$@"
}

@test "a setuid program (AT_SECURE): the environment is ignored, everything is off" {
    [[ $EUID -eq 0 && -w /etc ]] || skip 'needs root to make a setuid program'
    unshare -m true 2>/dev/null || skip 'no mount namespace can be made here, as in a chroot'
    local go=/tmp/notimewait-go.$$ log=/tmp/notimewait-secure.$$
    serve "$PORT" accept readall
    export LD_PRELOAD=libnotimewait.so NOTIMEWAIT_POLICY=abort NOTIMEWAIT_LOG=$log
    start client in_trusted_dir /usr/lib/act "connect:$PORT" write:100 getlinger2 \
        "wait-file:$go" close
    unset LD_PRELOAD NOTIMEWAIT_POLICY NOTIMEWAIT_LOG
    wait_output client getlinger2
    # It is there. (Other files' tests run at the same time, in network namespaces of their own.)
    grep -q libnotimewait.so "/proc/$(pgrep -x act -U 65534 --ns $$ --nslist net)/maps"
    touch "$go"
    run finish client
    rm -f "$go"
    echo "$output"
    [[ $status -eq 0 && $output == *'getlinger2 60'* && ! -e $log ]]
    run finish server
    [[ $output == *'readall 100 EOF'* ]]
}
