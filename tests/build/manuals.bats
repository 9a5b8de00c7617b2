# The manuals and completions say what the code says, and the examples work.
load ../lib/helper

# names KIND: the second field of each KIND(...) in the tables.
names() {
    sed -nE "s/^$1\([A-Z0-9_]+, \"([^\"]*)\".*/\1/p" shim/policy/policy.def
}

@test "mandoc finds nothing to say" {
    need mandoc
    # Style included; but which other manuals are installed is not ours, and .Os names our version.
    run grep -Ev 'referenced manual not found|outdated mandoc.db|operating system explicitly' <(mandoc -T lint shim/man/*.[17])
    echo "$output"
    [[ -z $output ]]
    run mandoc -T lint -W warning shim/man/*.[17]
    [[ $status -eq 0 && -z $output ]]
}

@test "libnotimewait(7) has every policy, reason and variable, and no other" {
    local man=shim/man/libnotimewait.7
    run diff <(names POLICY) <(sed -n '/^.Sh POLICIES/,/^.El/p' $man | sed -nE 's/^.It Cm ([a-z-]+).*/\1/p')
    echo "$output"
    [[ $status -eq 0 ]]
    run diff <(names REASON) <(sed -n '/^.Ss Reasons/,/^.El/p' $man | sed -nE 's/^.It Cm (.*)/\1/p')
    echo "$output"
    [[ $status -eq 0 ]]
    run diff <(grep -o 'NOTIMEWAIT_[A-Z]*' shim/policy/config.c | grep -v '_$' | sort -u) \
        <(sed -n '/^.Sh ENVIRONMENT/,/^.Sh LOG/p' $man | sed -nE 's/^.It Ev (NOTIMEWAIT_[A-Z]+)/\1/p' | sort -u)
    echo "$output"
    [[ $status -eq 0 ]]
}

@test "notimewait(1) and the completions have every option of --help" {
    local option options
    options=$("$BUILD/notimewait" --help | grep -Eo -- '(^|[ ,])--?[a-z][a-z-]*' | tr -d ' ,' | sort -u)
    [[ $(wc -l <<<"$options") -ge 8 ]]
    for option in $options; do
        echo "$option"
        grep -Eq -- "Fl ${option#-}( |\$)" shim/man/notimewait.1
        [[ $option == --help || $option == --version ]] && continue
        grep -q -- "$option" shim/completion/notimewait.bash
        grep -q -- "$option" shim/completion/_notimewait
    done
    for option in $(names POLICY); do
        grep -qw -- "$option" shim/completion/notimewait.bash
        grep -qw -- "$option" shim/completion/_notimewait
    done
}

@test "bash completes policies, in splits too, options and sub-commands" {
    # completed WORD...: what the last word may become.
    completed() {
        COMP_WORDS=(notimewait "$@")
        COMP_CWORD=$#
        COMPREPLY=()
        _notimewait 2>/dev/null
        printf '%s ' "${COMPREPLY[@]}"
    }
    # shellcheck disable=SC1091 # it is there
    source shim/completion/notimewait.bash
    COMP_WORDS=(notimewait -p dr) COMP_CWORD=2
    _notimewait # outside of a completion, too
    [[ ${COMPREPLY[*]} == 'drain drain: drain-eof drain-eof:' ]]
    [[ $(completed -p last) == 'last-read ' ]]
    [[ $(completed -p 'off@90|au') == 'off@90|auto ' ]]
    [[ $(completed ab --n) == '--no-wait ' ]]
    [[ $(completed ch) == *check* && $(completed --s) == '--stats ' ]]
    # programs, but no words of the shell's own
    stat_of_a_function() { :; }
    [[ $(completed stat) == 'stat '* && $(completed stat) != *stat_of_a_function* ]]
    [[ ' '$(completed e) != *' '@(esac|else|elif|eval|exit|export)' '* && $(completed e) == *'env '* ]]
    mkdir "$BATS_TEST_TMPDIR/directory"
    [[ $(completed "$BATS_TEST_TMPDIR/dir") == "$BATS_TEST_TMPDIR/directory " ]]
}

@test "zsh takes the completion" {
    need zsh
    zsh -n shim/completion/_notimewait
}

@test "systemd accepts the drop-in, and it names what is installed" {
    need systemd-analyze
    local dir=$BATS_TEST_TMPDIR/units
    mkdir -p "$dir/your-client.service.d"
    printf '[Service]\nExecStart=/bin/true\n' >"$dir/your-client.service"
    cp examples/systemd-drop-in.conf "$dir/your-client.service.d/notimewait.conf"
    run systemd-analyze verify "$dir/your-client.service"
    echo "$output"
    [[ $status -eq 0 && $output != *notimewait.conf* ]]
    make -s install BUILD="$BUILD" DESTDIR="$BATS_TEST_TMPDIR/dest" 3>&-
    [[ -e $BATS_TEST_TMPDIR/dest$(sed -n 's/^Environment=LD_PRELOAD=//p' examples/systemd-drop-in.conf) ]]
    # Its variables are accepted.
    local settings
    mapfile -t settings < <(sed -n 's/^Environment=\(NOTIMEWAIT_.*\)/\1/p' examples/systemd-drop-in.conf)
    run "$BUILD/tests/config" "${settings[@]}"
    [[ $status -eq 0 && ${#settings[@]} -ge 2 ]]
}

@test "the pod's parts fit: what is copied where, mounted where, preloaded from where" {
    /usr/bin/python3 - <<'END'
import yaml
pod = yaml.safe_load(open('examples/kubernetes.yaml'))
init, = pod['spec']['initContainers']
app, = pod['spec']['containers']
volume, = pod['spec']['volumes']
mount = init['volumeMounts'][0]
target, = init['args']
assert target == mount['mountPath']
assert mount['name'] == app['volumeMounts'][0]['name'] == volume['name']
env = {e['name']: e['value'] for e in app['env']}
assert env['LD_PRELOAD'] == app['volumeMounts'][0]['mountPath'] + '/libnotimewait.so'
# What the image runs by itself: it is told the directory.
image = open('examples/packaging/Containerfile').read()
assert 'command' not in init and 'ENTRYPOINT ["/copy"]' in image
END
}

@test "bash completes files with blanks and signs of the shell as one word, and runs nothing of them" {
    need python3
    local dir=$BATS_TEST_TMPDIR/files
    mkdir "$dir" "$dir/d e"
    touch "$dir/a b" "$dir/c\$(touch pwned)"
    run python3 - "$PWD/shim/completion/notimewait.bash" "$dir" <<'END'
import os, pty, select, sys, time
completion, directory = sys.argv[1:]
pid, fd = pty.fork()
if pid == 0:
    os.chdir(directory)
    os.environ["TERM"] = "dumb"
    os.execvp("bash", ["bash", "--norc", "--noprofile", "-i"])


def until(what):
    seen, end = b"", time.time() + 60
    while what not in seen and time.time() < end:
        if select.select([fd], [], [], 0.1)[0]:
            seen += os.read(fd, 65536)
    return seen


os.write(fd, b"PS1='> '; notimewait() { printf '[%s]' \"$@\"; echo; }\n")
os.write(fd, b"source '" + completion.encode() + b"'; echo be''gins\n")
until(b"begins\r\n")
for words in b"report c\t", b"report a\t", b"--log a\t true", b"switch d\t off", b"board d\t":
    os.write(fd, b"notimewait " + words + b"\n")
    line = until(b"]\r\n").decode().split("\r\n")[-2]
    print(line)
os.write(fd, b"exit\n")
END
    echo "$output"
    [[ ! -e $dir/pwned ]]
    # shellcheck disable=SC2016 # that is its name
    [[ ${lines[0]} == '[report][c$(touch pwned)]' && ${lines[1]} == '[report][a b]' ]]
    [[ ${lines[2]} == '[--log][a b][true]' && ${lines[3]} == '[switch][d e/][off]' ]]
    [[ ${lines[4]} == '[board][d e/]' ]]
}
