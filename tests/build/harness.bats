#!/usr/bin/env bats
# The tests' own tools: that act, without the library, makes what the kernel's rules say, and
# that the helpers count it on the right side.

load ../lib/helper

@test "two scripts exchange bytes and EOF, and the first to close is in TIME_WAIT" {
    serve "$PORT" accept read:100 write:7 readall close
    run act "connect:$PORT" write:5 readn:7 close
    [ "$output" = $'connect 0\nwrite 5\nreadn 7\nclose 0' ]
    run finish server
    [ "$status" -eq 0 ]
    [[ $output == *$'read 5\nwrite 7\nreadall 0 EOF\nclose 0' ]]
    settle "$PORT"
    [ "$(time_wait_client "$PORT")" -eq 1 ]
    [ "$(time_wait_server "$PORT")" -eq 0 ]
}

@test "the server's TIME_WAIT is counted as the server's, over IPv6" {
    serve "[::1]:$PORT" accept close
    run act "connect:[::1]:$PORT" readall close
    [ "${lines[1]}" = 'readall 0 EOF' ]
    settle "$PORT"
    [ "$(time_wait_client "$PORT")" -eq 0 ]
    [ "$(time_wait_server "$PORT")" -eq 1 ]
}

@test "another port's TIME_WAIT is not counted" {
    other=$(port)
    [ "$other" -ne "$PORT" ]
    serve "$other" accept readall
    act "connect:$other" close
    finish server
    settle "$other"
    [ "$(time_wait_client "$PORT")" -eq 0 ]
    [ "$(time_wait_client "$other")" -eq 1 ]
}

@test "linger {1,0} is seen as ECONNRESET and leaves nothing" {
    serve "$PORT" accept readall close
    act "connect:$PORT" write:1000 wait-acked linger:1:0 getlinger close
    run finish server
    [[ $output == *'readall 1000 ECONNRESET'* ]]
    settle "$PORT"
    [ -z "$(states "$PORT")" ]
}

@test "states are told for each side, in the kernel's names" {
    serve "$PORT" accept "wait-file:$BATS_TEST_TMPDIR/go" readall
    start client act "connect:$PORT" shutdown:wr wait-state:FIN_WAIT2 poll:in:5000 state
    wait_output client '^wait-state FIN_WAIT2'
    [ "$(states "$PORT")" = $'client FIN_WAIT2\nserver CLOSE_WAIT\nserver LISTEN' ]
    run settle "$PORT" 20
    [ "$status" -eq 1 ]
    touch "$BATS_TEST_TMPDIR/go"
    finish server
    run finish client
    # In TIME_WAIT, while its fd is open.
    [[ $output == *'poll 1 IN|HUP'$'\n''state CLOSE' ]]
    [ "$(states "$PORT")" = 'client TIME_WAIT' ]
}

@test "all calls that move bytes do" {
    out=(write write-raw writev pwritev2 send sendto sendmsg sendmmsg sendfile sendfile64 splice
        dprintf)
    in=(read read-raw readv preadv2 recv recvfrom recvmsg recvmmsg read_chk recv_chk
        recvfrom_chk splice-in)
    for verb in "${in[@]}"; do
        steps+=(wait-unread:3 recv-peek:3 "$verb:3")
    done
    serve "$PORT" accept quiet "${steps[@]}" loud readall
    run act "connect:$PORT" nodelay "${out[@]/%/:3}" close
    for verb in "${out[@]}"; do
        [[ $output == *$'\n'"$verb 3"$'\n'* ]]
    done
    run finish server
    [[ $output == *'readall 0 EOF' ]]
}

@test "a child, a thread and a copy hold the connection" {
    serve "$PORT" accept readall
    run act "connect:$PORT" dup:b fork write:3 end wait thread write:4 end join close write:5@b
    [ "${lines[2]}" = 'child write 3' ]
    [ "${lines[3]}" = 'wait exit=0' ]
    [ "${lines[4]}" = 'thread write 4' ]
    [ "${lines[7]}" = 'write 5' ]
    run finish server
    [[ $output == *'readall 12 EOF' ]]
}

@test "an fd is passed through a unix socket and through exec" {
    serve "$PORT" accept readall
    run act socketpair:q use:b fork recvfd:q write:4 end use:c "connect:$PORT" sendfd:a wait \
        exec:"$ACT" inherit write:5
    [[ $output == *'child write 4'* ]]
    [ "${lines[-1]}" = 'write 5' ]
    run finish server
    [[ $output == *'readall 9 EOF' ]]
}

@test "loops sum up" {
    share_cpu
    serve "$PORT" quiet loop:50 accept readall close end
    run act loop:50 "connect:$PORT" write:1 close end loop:2 close end
    [ "${lines[0]}" = 'loop 50 errors=0' ]
    [ "${lines[1]}" = 'loop 2 errors=2 first=close:EBADF' ]
    finish server
    settle "$PORT"
    [ "$(time_wait_client "$PORT")" -eq 50 ]
}

@test "errors are named, and a wrong script is refused" {
    run act close:1
    [ "$status" -eq 2 ]
    run act fd:77 close "open:$BATS_TEST_TMPDIR/file" close
    [ "${lines[0]}" = 'close -1 EBADF' ]
    [ "${lines[2]}" = 'close 0' ]
}

@test "finish tells the status, teardown kills what is left" {
    start quick act exit:7
    run finish quick
    [ "$status" -eq 7 ]
    start slow sleep 100
    run finish slow 50
    [ "$status" -eq 1 ]
    pid=$(pid_of slow)
    # Of two of one name the first ends last.
    start twice sleep 100
    first=$(pid_of twice)
    start twice sleep 100
    kill "$first"
    until_true 1000 test -s "$BATS_TEST_TMPDIR/twice.$first.status"
    twice=$(pid_of twice)
    calls_sleep() { sleep 100; }
    start function calls_sleep
    until_true 1000 pgrep -P "$(pid_of function)" >/dev/null
    called=$(pgrep -P "$(pid_of function)")
    # What a program says of its pid is not ours: it may be in another namespace.
    sleep 100 3>&- &
    other=$!
    echo $other >"$BATS_TEST_TMPDIR/program.pid"
    teardown
    until_true 5000 none_runs "$pid" "$twice" "$called"
    kill $other
}

# find_count: sets count, to the process by which bats counts this test's time.
find_count() {
    local child
    for child in $(pgrep -P $$ -x bash); do
        [[ $(readlink "/proc/$child/fd/0") != */nothing ]] || count=$child
    done
    [[ -n $count ]]
}

@test "bats' count of a test's time holds no pipe: nobody waits for what bats forgets" {
    local count=''
    until_true 5000 find_count
    ls -l "/proc/$count/fd"
    run ! grep pipe: <(ls -l "/proc/$count/fd")
}

# inner: a file of tests, as from standard input. (bats reads each line that begins with its word as
# a test of this file: there it is `test`.)
inner() {
    {
        echo "load $BATS_TEST_DIRNAME/../lib/helper"
        sed 's/^test "/@&/'
    } >"$BATS_TEST_TMPDIR/inner.bats"
}

@test "a test that hangs ends in time, and what it started" {
    inner <<END
test "in a program" {
    command sleep 1000.$PORT
}
test "in the shell" {
    start other command sleep 1000.$PORT
    while :; do :; done
}
test "the next" {
    true
}
END
    BATS_TEST_TIMEOUT=3 run bats --tap "$BATS_TEST_TMPDIR/inner.bats"
    [[ $status -eq 1 && ${lines[1]} == 'not ok 1 in a program # timeout after 3s' ]]
    [[ $output == *$'\nnot ok 2 in the shell # timeout after 3s'*$'\nok 3 the next' ]]
    run ! pgrep -f "sleep 1000.$PORT"
}

@test "tests/run counts; what its caller ignores the tests do not" {
    inner <<'END'
test "a signal" {
    run bash -c 'trap "exit 7" USR2; kill -USR2 $$'
    [[ $status -eq 7 ]]
}
test "no success" {
    false
}
test "not here" {
    skip 'for a reason'
}
END
    run bash -c 'trap "" USR2; exec tests/run "$BUILD" "$BATS_TEST_TMPDIR/inner.bats"'
    echo "$output"
    [[ $status -eq 1 && ${lines[0]} == 'FAILED inner '*' 1 passed, 1 failed, 1 skipped '* ]]
    [[ ${lines[1]} == 'not ok 2 no success' && ${lines[-1]} == '1 passed, 1 failed, 1 skipped' ]]
    [[ $output == *$'\n       skipped: not here (for a reason)\n'* ]]
}

@test "tests/run ends and names what a file leaves" {
    inner <<END
test "leaves a program" {
    (setsid sleep 1000.$PORT &) >/dev/null 2>&1 3>&-
}
END
    run tests/run "$BUILD" "$BATS_TEST_TMPDIR/inner.bats"
    echo "$output"
    [[ $status -eq 0 && ${lines[-1]} == '1 passed, 0 failed, 0 skipped' ]]
    [[ $output == *$'\n       left: '*" sleep 1000.$PORT"* ]]
    run ! pgrep -f "sleep 1000.$PORT"
}

@test "json reads a field of each record" {
    printf '{"via":"close","n":1}\n{"via":"dup2","n":null}\n' >"$LOG"
    [ "$(json via "$LOG")" = $'close\ndup2' ]
    [ "$(json n "$LOG" | tail -n 1)" = null ]
}

# alike LINES CMD...: with mawk and with gawk it prints the same, more than so many lines.
alike() {
    local name known=''
    for name in mawk gawk; do
        mkdir -p "$BATS_TEST_TMPDIR/$name"
        ln -sf "$(command -v $name)" "$BATS_TEST_TMPDIR/$name/awk"
        PATH=$BATS_TEST_TMPDIR/$name:$PATH FIRST=$BATS_TEST_TMPDIR/$name run "${@:2}"
        echo "$name: $output"
        [[ $status -eq 0 && ${#lines[@]} -gt $1 ]]
        [[ -z $known || $output == "$known" ]]
        known=$output
    done
}

@test "the tables of RESULTS.md come out alike under mawk and gawk" {
    alike 50 tests/update-results --print
}

@test "peer-view measures and prints alike under mawk and gawk" {
    alike 2 tests/peer-view "$BUILD" read
    alike 2 tests/peer-view "$BUILD" --markdown read
}

# unreasoned FILE: situations in which a policy has a second row without a comment that says what
# decides; with the word `each`, also those that have no comment below their title.
unreasoned() {
    awk -v each="${2-}" '
        /^$/ { title = why = 0; delete rows; next }
        /^# / { if (title) why = 1; title = 1; next }
        /^\[/ { name = $1; if (each && !why) print name; why = 0; next }
        name && / [|] / {
            again = 0
            for (i = 1; $i != "|"; i++) again += rows[$i]++ > 0
            if (again && !why) print name
        }' "$1"
}

@test "off and auto stand in the same rows of what peers see, on every stack" {
    run awk '/ [|] / && (/^([^|]* )?off / != /^([^|]* )?auto /) { print FILENAME ": " $0 }' \
        tests/peers/peer-view.expected tests/stacks/stacks.expected
    echo "$output"
    [[ -z $output ]]
}

@test "a claim names tests that the guests run" {
    local claim kernels machines _
    while IFS='|' read -r claim kernels machines _; do
        kernels=$(xargs <<<"$kernels") machines=$(xargs <<<"$machines")
        echo "$claim: $kernels, $machines"
        case $kernels in
        -) ;;
        NAT) grep -q '^@test "Linux behind nft' tests/stacks/stack-recycling.bats ;;
        'fact '* | IPVS) grep -q "^@test \"$kernels:" tests/kernels/{facts,ipvs}.bats ;;
        *) grep -qE "tests_of [a-z]+/$kernels '" tests/kernels/inside ;;
        esac
        case $machines in
        - | 'fact '*) ;;
        *) grep -qF "try '$machines'" tests/arches/inside ;;
        esac
    done < <(grep -v '^#' tests/claims.def)
}

@test "what differs on another stack or kernel, and what may be either, has its reason" {
    run unreasoned tests/peers/peer-view.expected
    [[ -z $output ]]
    run unreasoned tests/stacks/stacks.expected each
    [[ -z $output ]]
    run awk -F ' [|] ' '!/^#/ && (NF != 3 || length($3) < 15)' tests/kernels/kernels.expected
    [[ -z $output ]]
    printf '# a title\n[new]\noff | read EOF | -\n' >"$BATS_TEST_TMPDIR/file"
    run unreasoned "$BATS_TEST_TMPDIR/file" each
    [[ $output == '[new]' ]]
    printf '# a title\n# a reason\n[new]\noff | read EOF | -\noff | - | -\n' >"$BATS_TEST_TMPDIR/file"
    run unreasoned "$BATS_TEST_TMPDIR/file" each
    [[ $output == '[new]' ]]
}

# What a file loads later, or defines itself, takes the place of what it has loaded before; but the
# words that bats or the helper calls are for that.
@test "no word means two things in one file of tests" {
    local twice
    twice=$(awk '
        FNR == 1 { file = FILENAME; sub(/.*\//, "", file); sub(/\.bash$/, "", file) }
        /^load / { sub(/.*\//, "", $2); loads[FILENAME] = loads[FILENAME] " " $2 }
        /^[a-z_0-9]+\(\) [{(]$/ {
            word = substr($1, 1, index($1, "(") - 1)
            if (word !~ /^(setup|setup_file|prepare|clean_up)$/) words[file] = words[file] " " word
        }
        END {
            for (path in loads) {
                file = path
                sub(/.*\//, "", file)
                sub(/\.bash$/, "", file)
                delete seen
                count = split(words[file], list, " ")
                for (i = 1; i <= count; i++) seen[list[i]] = 1
                delete loaded
                libs = split(loads[path], lib, " ")
                for (k = 1; k <= libs; k++) { # and what that loads, once
                    if (loaded[lib[k]]++) continue
                    more = split(loads["tests/lib/" lib[k] ".bash"], inner, " ")
                    for (i = 1; i <= more; i++) lib[++libs] = inner[i]
                    count = split(words[lib[k]], list, " ")
                    for (i = 1; i <= count; i++)
                        if (seen[list[i]]++) print path ": " list[i] "()"
                }
            }
        }' tests/*/*.bats tests/lib/*.bash)
    echo "$twice"
    [[ -z $twice ]]
}
