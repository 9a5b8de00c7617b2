# notimewait: the command runs under the library, and otherwise as without the launcher.
# shellcheck disable=SC2016 # the command's own variables
# shellcheck disable=SC2153 # BUILD is the helper's
load ../lib/helper
bats_require_minimum_version 1.5.0

START=$BUILD/notimewait

@test "a command that leaves TIME_WAIT leaves none under notimewait -p fin-rst" {
    serve "$PORT" loop:2 accept readall close end
    act "connect:$PORT" write:10 close
    settle "$PORT"
    [[ $(time_wait_client "$PORT") -eq 1 ]]
    "$START" -p fin-rst "$ACT" "connect:$PORT" write:10 close
    finish server
    settle "$PORT"
    [[ $(time_wait_client "$PORT") -eq 1 ]]
}

@test "options are the variables, and win over inherited ones" {
    local file=$BATS_TEST_TMPDIR/x
    export NOTIMEWAIT_POLICY=off NOTIMEWAIT_RULES='port=1 => off' NOTIMEWAIT_LOG=$file NOTIMEWAIT_STATS=$file
    run "$START" -p drain:5 -r 'port=80 => abort' --log "$LOG" --stats=stderr -- \
        sh -c 'echo "$NOTIMEWAIT_POLICY,$NOTIMEWAIT_RULES,$NOTIMEWAIT_LOG,$NOTIMEWAIT_STATS"'
    echo "$output"
    [[ ${lines[0]} == "drain:5,port=80 => abort,$LOG,stderr" ]]
    run "$START" -p '' printenv NOTIMEWAIT_LOG # empty: as if it were unset
    [[ $output == "$file" ]]
}

@test "the first of two variables of one name does not survive an option" {
    run python3 -c '
import ctypes, sys
words = lambda l: (ctypes.c_char_p * (len(l) + 1))(*[w.encode() for w in l], None)
ctypes.CDLL(None).execve(sys.argv[1].encode(), words(sys.argv[1:]),
                         words(["NOTIMEWAIT_POLICY=abort", "NOTIMEWAIT_POLICY=off"]))
' "$START" -p auto /usr/bin/env
    echo "$output"
    [[ $(grep -c '^NOTIMEWAIT_POLICY=' <<<"$output") -eq 1 && $output == *NOTIMEWAIT_POLICY=auto* ]]
}

@test "an LD_PRELOAD that is set is kept; one that names the library is left alone" {
    run "$START" printenv LD_PRELOAD
    [[ $output == "$LIB" ]]
    LD_PRELOAD=libm.so.6:libdl.so.2 run "$START" printenv LD_PRELOAD
    [[ $output == "libm.so.6:libdl.so.2:$LIB" ]]
    LD_PRELOAD="libm.so.6 $LIB" run "$START" printenv LD_PRELOAD
    [[ $output == "libm.so.6 $LIB" ]]
}

@test "the exit status and the signal that ended it are the command's; so is the pid" {
    run "$START" sh -c 'exit 7'
    [[ $status -eq 7 ]]
    run -143 "$START" sh -c 'kill -TERM $$'
    start command "$START" sh -c 'trap "echo got USR1; kill \$!; exit 3" USR1; echo "pid $$"; sleep 60 & wait'
    wait_output command '^pid'
    [[ $(output_of command) == "pid $(pid_of command)" ]]
    kill -USR1 "$(pid_of command)"
    run finish command
    [[ $status -eq 3 && $output == *'got USR1'* ]]
}

@test "126 and 127, as a shell: not found, not executable, a directory, no interpreter" {
    local dir=$BATS_TEST_TMPDIR command
    printf '#!/none/sh\n' >"$dir/script"
    chmod +x "$dir/script"
    touch "$dir/file"
    for command in no-such-command "$dir/none" '' "$dir/script" "$dir/file" "$dir" "$dir/file/x"; do
        run bash -c '"$0"' "$command"
        local shell=$status
        run "$START" -- "$command"
        echo "'$command': $status, bash says $shell: $output"
        [[ $status -eq $shell && ${#lines[@]} -eq 1 && $output == notimewait:* ]]
    done
    run "$START" "$dir/script"
    [[ $output == *'/none/sh: not found' ]]
}

@test "127, too, where a directory in PATH may not be searched" {
    mkdir "$BATS_TEST_TMPDIR/closed"
    chmod 0 "$BATS_TEST_TMPDIR/closed"
    run setpriv --bounding-set -dac_override,-dac_read_search --inh-caps -all --ambient-caps -all \
        env PATH="$BATS_TEST_TMPDIR/closed:$PATH" "$START" no-such-command
    echo "$output"
    [[ $status -eq 127 && $output == 'notimewait: no-such-command: not found' ]]
}

@test "a script without #! runs, as by a shell" {
    echo 'echo "$1"' >"$BATS_TEST_TMPDIR/script"
    chmod +x "$BATS_TEST_TMPDIR/script"
    run "$START" "$BATS_TEST_TMPDIR/script" hello
    [[ $status -eq 0 && $output == hello ]]
}

@test "bad configuration, by option or inherited: the library's line, status 2, nothing starts" {
    local said bad entry option=()
    for bad in POLICY=abrt 'RULES=port=0 => off' LINGER=no SEED=-1 POLCIY=auto; do
        entry=NOTIMEWAIT_$bad
        said=$(env "$entry" LD_PRELOAD="$LIB" true 2>&1)
        run env "$entry" "$START" touch "$BATS_TEST_TMPDIR/started"
        echo "$output"
        [[ $status -eq 2 && ${#lines[@]} -eq 1 && ! -e $BATS_TEST_TMPDIR/started ]]
        [[ $output == "$said" ]]
        run env "$entry" "$START" ab touch "$BATS_TEST_TMPDIR/started"
        [[ $status -eq 2 && $output == "$said" && ! -e $BATS_TEST_TMPDIR/started ]]
    done
    for option in '-p abrt' '-r port=0=>off' '-p off|'; do
        # shellcheck disable=SC2086 # an option and its value
        run "$START" $option touch "$BATS_TEST_TMPDIR/started"
        echo "$output"
        [[ $status -eq 2 && ${#lines[@]} -eq 1 && ! -e $BATS_TEST_TMPDIR/started ]]
        [[ $output == 'libnotimewait: NOTIMEWAIT_'*' is not accepted; accepted: '* ]]
    done
}

@test "bad usage: one line, status 2" {
    local words
    for words in '' '--' '-p' '--log' '-x true' '--nonsense true' '--log= --lo' 'ab' 'ab -n' \
        'ab -n 0 true' 'ab -n 1001 true' 'ab -n x true' 'ab --log x true' 'ab -p off@2|auto true' \
        'ab -p nonsense true' 'ab --json=1 true' 'check -p off' 'check --nonsense'; do
        # shellcheck disable=SC2086 # words
        run "$START" $words
        echo "notimewait $words: $status, $output"
        [[ $status -eq 2 && ${#lines[@]} -eq 1 ]]
    done
}

@test "what cannot be printed is an error" {
    run bash -c '"$1" --help >/dev/full' bash "$START"
    [[ $status -eq 1 && $output == 'notimewait: standard output: No space left on device' ]]
    run bash -c '"$1" check >/dev/full' bash "$START"
    [[ $status -eq 1 && $output == 'notimewait: standard output: No space left on device' ]]
}

@test "an option behind the command is the command's; -- ends ours, and a command may be named ab" {
    run "$START" echo -p --help
    [[ $output == '-p --help' ]]
    printf '#!/bin/sh\necho mine "$@"\n' >"$BATS_TEST_TMPDIR/ab"
    chmod +x "$BATS_TEST_TMPDIR/ab"
    PATH=$BATS_TEST_TMPDIR:$PATH run "$START" -- ab -n 1
    [[ $output == 'mine -n 1' ]]
}

@test "--help fits a tall screen and names every policy; --version" {
    local words policy
    for words in 'switch --help' 'ab --help' --help; do
        # shellcheck disable=SC2086 # words
        run "$START" $words
        echo "$output"
        [[ $status -eq 0 && ${#lines[@]} -le 44 ]]
        awk 'length > 79 { exit 1 }' <<<"$output"
    done
    while read -r policy; do
        [[ ,$(tr -d ' \n' <<<"${output#*one of:}") == *",$policy"[],:[\(]* ]]
    done < <(sed -n 's/^POLICY([A-Z_]*, "\([a-z-]*\)".*/\1/p' shim/policy/policy.def)
    run "$START" --version
    [[ $status -eq 0 && $output =~ ^notimewait\ [0-9]+\.[0-9]+ ]]
}

@test "the library is found beside the launcher, in ../lib, and where it was installed" {
    local dir=$BATS_TEST_TMPDIR/x
    mkdir -p "$dir/bin" "$dir/lib"
    cp "$START" "$dir/bin"
    run "$dir/bin/notimewait" printenv LD_PRELOAD
    [[ $status -eq 2 && ${#lines[@]} -eq 1 && $output == *"neither in $dir/bin nor in "* ]]
    if unshare -m true; then
        run unshare -m sh -c 'mount -t tmpfs none /proc && exec "$1" true' sh "$dir/bin/notimewait"
        [[ $status -eq 2 && ${#lines[@]} -eq 1 && $output == *', and /proc, which says where this launcher is, cannot be read' ]]
    fi
    cp "$LIB" "$dir/lib"
    run "$dir/bin/notimewait" printenv LD_PRELOAD
    [[ $output == "$dir/lib/libnotimewait.so" ]]
    cp "$LIB" "$dir/bin"
    ln -s "$dir/bin/notimewait" "$BATS_TEST_TMPDIR/link" # beside the file, not the link
    run "$BATS_TEST_TMPDIR/link" printenv LD_PRELOAD
    [[ $output == "$dir/bin/libnotimewait.so" ]]

    make -s install BUILD="$BUILD" PREFIX="$dir/usr" LIBDIR="$dir/usr/lib/some-arch" 3>&-
    run "$dir/usr/bin/notimewait" printenv LD_PRELOAD
    echo "$output"
    [[ $output == "$dir/usr/lib/some-arch/libnotimewait.so" ]]
    make -s uninstall PREFIX="$dir/usr" LIBDIR="$dir/usr/lib/some-arch" 3>&-
    [[ -z $(find "$dir/usr" -type f) ]]
}

@test "-h is --help, also behind a sub-command" {
    local words
    for words in '' ab advise attach board check report switch; do
        # shellcheck disable=SC2086 # words
        run "$START" $words -h
        # shellcheck disable=SC2086 # words
        [[ $status -eq 0 && $output == "$("$START" $words --help)" ]]
    done
}

@test "a sub-command behind the options of a run: it says where it belongs" {
    printf '#!/bin/sh\necho mine\n' >"$BATS_TEST_TMPDIR/check"
    chmod +x "$BATS_TEST_TMPDIR/check"
    export PATH=$BATS_TEST_TMPDIR:$PATH
    run "$START" -p auto check
    echo "$output"
    [[ $status -eq 2 && $output == 'notimewait: check: write it first: notimewait check '* ]]
    run "$START" -p auto -- check
    [[ $status -eq 0 && $output == mine ]]
}

@test "each sub-command's --help is its own usage, and its options stand in the list of all" {
    local name all line
    all=$("$START" --help)
    while IFS= read -r name; do
        run "$START" "$name" --help
        echo "$output"
        [[ $status -eq 0 && ${lines[0]} == "Usage: notimewait $name "* ]]
        [[ ${lines[-1]} == *'notimewait --help'* && $(grep -c 'notimewait [a-z]' <<<"$output") -eq 1 ]]
        while IFS= read -r line; do
            [[ $all == *"$line"* ]]
        done < <(sed '1d; $d' <<<"$output" | sed 's/^ *//')
        [[ $all == *"notimewait $name "* ]]
    done < <(sed -nE 's/^COMMAND\(([a-z]+),.*/\1/p' shim/launcher/commands.def)
    [[ $name == '' && ${#all} -gt 1000 ]]
    run awk 'length > 79' <<<"$all"
    [[ -z $output ]]
}
