# tests/need: what is missing is named, and installed only where somebody wants that. apt-get and
# the machine's commands are played by files in $BIN.
# shellcheck disable=SC2016 # the script's own variables
load ../lib/helper

prepare() {
    local command
    BIN=$(mktemp -d -p /tmp)
    chmod 755 "$BIN"
    for command in awk bash cat chmod env flock grep head mktemp paste realpath rm sort uname; do
        ln -s "$(command -v $command)" "$BIN/$command"
    done
    # gcc and make are missing; what is installed appears.
    printf '#!/bin/bash\necho "$*" >>"%s/calls"\n[[ $1 != install ]] || : >"%s/gcc" >"%s/make"\n%s\n' \
        "$BIN" "$BIN" "$BIN" "chmod +x $BIN/{gcc,make} 2>/dev/null; exit 0" >"$BIN/apt-get"
    chmod +x "$BIN/apt-get"
}

clean_up() {
    rm -rf "$BIN"
}

# needs VARIABLE=VALUE...: tests/need build, without those that this run of the tests has.
needs() {
    env -u CI -u YES "$@" PATH="$BIN" tests/need build
}

# on_terminal ANSWER: the same on a terminal, where the answer is typed.
on_terminal() {
    script -qec "env -u CI -u YES PATH=$BIN tests/need build" /dev/null <<<"$1"
}

# installed: what apt-get was told to install.
installed() {
    grep '^install' "$BIN/calls" 2>/dev/null
}

@test "without a terminal: the exact command, status 2, and nothing is installed" {
    run needs </dev/null
    echo "$output"
    [[ $status -eq 2 && ${lines[0]} == 'make build needs: apt-get install -y --no-install-recommends gcc make' ]]
    [[ ${#lines[@]} -eq 2 && ${lines[1]} == *YES=1* && ! -e $BIN/calls ]]
}

@test "CI=true or YES=1: it says what it installs, and installs it" {
    local variable
    for variable in CI=true YES=1; do
        run needs "$variable" </dev/null
        echo "$output"
        [[ $status -eq 0 && $output == 'tests/need: installing gcc make' ]]
        [[ $(installed) == 'install -y -qq --no-remove --no-install-recommends gcc make' ]]
        rm "$BIN"/{calls,gcc,make}
    done
    run needs YES=0 CI=false </dev/null
    [[ $status -eq 2 && ! -e $BIN/calls ]]
}

@test "several targets: what each of them lacks, once; an unknown one is refused" {
    local words
    run env -u CI -u YES PATH="$BIN" tests/need build lib32 </dev/null
    echo "$output"
    [[ $status -eq 2 && ${lines[0]} == 'make build lib32 needs: apt-get install -y --no-install-recommends gcc make'* ]]
    for words in 'build nonsense' nonsense ''; do
        # shellcheck disable=SC2086 # words
        run env -u CI -u YES PATH="$BIN" tests/need $words </dev/null
        echo "$output"
        [[ $status -eq 2 && ${#lines[@]} -eq 1 && $output == *'usage: tests/need TARGET... of bench|'* ]]
    done
}

@test "on a terminal it asks once: yes installs, no leaves the command" {
    run on_terminal n
    echo "$output"
    [[ $status -eq 2 && $(grep -c 'Install these packages now' <<<"$output") -eq 1 && ! -e $BIN/calls ]]
    [[ $(grep -c 'apt-get install -y --no-install-recommends gcc make' <<<"$output") -eq 2 ]]
    run on_terminal y
    echo "$output"
    [[ $status -eq 0 && $(installed) == *' gcc make' ]]
    run on_terminal '' # all is there: no question
    [[ $status -eq 0 && $output != *Install* ]]
}

@test "an ordinary user is told the command with sudo, also with YES=1" {
    setpriv --reuid=65534 --clear-groups true || skip 'there is no other user here'
    run setpriv --reuid=65534 --clear-groups env YES=1 PATH="$BIN" bash -s build <tests/need
    echo "$output"
    [[ $status -eq 2 && $output == 'make build needs: sudo apt-get install -y --no-install-recommends gcc make' && ! -e $BIN/calls ]]
}

@test "who builds the tests' programs has their headers" {
    local target targets
    mapfile -t targets < <(
        awk '/@tests\/need / { target = $NF } /\$\(CPUS\) tests/ { print target }' Makefile
    )
    for target in "${targets[@]}"; do
        echo "$target"
        grep -Eq "^ *\[$target\]=.*\bheaders\b" tests/need
    done
    [[ ${#targets[@]} -ge 5 ]]
}
