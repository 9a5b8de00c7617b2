# notimewait check: what is set, what is allowed, and why a command cannot be preloaded.
# shellcheck disable=SC2016 # the loader's own variable
# shellcheck disable=SC2153 # BUILD is the helper's
load ../lib/helper
bats_require_minimum_version 1.5.0

START=$BUILD/notimewait

# check VERDICT COMMAND: by its first line, its status and its JSON; what stands between that line and
# the configuration, in $output. DOUBT: what the first line says besides.
check() {
    local verdict=$1 words
    local -A texts=([preload]='works by preload' [supervision]='works by supervision' [part]='works in part' [no]='does not work')
    shift
    run --separate-stderr "$START" check -- "$@"
    echo "$output"
    words=${lines[0]}
    output=$(sed '1d; /^library /,$d' <<<"$output")
    [[ $words == "${texts[$verdict]}${DOUBT-}: "* ]]
    [[ $status -eq $([[ $verdict == no ]] && echo 1 || echo 0) ]]
    # where the library alone does not do, one line says what to do
    [[ $verdict == part || $(grep -c '^what to do  *[^ ]' <<<"$output") -eq $([[ $verdict == preload ]] && echo 0 || echo 1) ]]
    [[ $("$START" check --json -- "$@" | jq -r .verdict) == "$verdict" ]]
}

# compiled NAME [FLAG...]: a program, made by gcc or $CC.
compiled() {
    local program=$BATS_TEST_TMPDIR/$1
    echo 'int main(void) { return 0; }' >"$BATS_TEST_TMPDIR/main.c"
    ${CC-gcc} "${@:2}" -o "$program" "$BATS_TEST_TMPDIR/main.c"
    echo "$program"
}

# script NAME LINE: an executable file that begins with the line.
script() {
    echo "$2" >"$BATS_TEST_TMPDIR/$1"
    chmod +x "$BATS_TEST_TMPDIR/$1"
    echo "$BATS_TEST_TMPDIR/$1"
}

@test "every variable is shown, with its value or its default" {
    local variable
    run "$BUILD/tests/config" NOTIMEWAIT_=x # the parser's own list
    local all=${output#*accepted: }
    run "$START" check
    echo "$output"
    [[ $status -eq 0 ]]
    for variable in ${all%%;*}; do
        grep -Eq "^${variable%,} .*\(default\)$" <<<"$output"
    done
    NOTIMEWAIT_POLICY='off@9|auto' NOTIMEWAIT_RULES='port=80 => abort' run "$START" check
    [[ $output == *'NOTIMEWAIT_POLICY   off@9|auto'$'\n'* && $output == *'NOTIMEWAIT_RULES    port=80 => abort'$'\n'* ]]
}

@test "a log or statistics that could not be opened: it says so, and why" {
    NOTIMEWAIT_LOG=/nonexistent/log NOTIMEWAIT_STATS=$BATS_TEST_TMPDIR run "$START" check
    [[ $status -eq 0 && $output == *'/nonexistent/log (cannot be opened: No such file or directory)'* ]]
    [[ $output == *"$BATS_TEST_TMPDIR (cannot be opened: Is a directory)"* ]]
    NOTIMEWAIT_LOG=$BATS_TEST_TMPDIR/new.%p NOTIMEWAIT_STATS=stderr run "$START" check
    [[ $output != *'cannot be opened'* && -z $(compgen -G "$BATS_TEST_TMPDIR/new*") ]]
}

@test "the defaults that it shows are the parser's" {
    local policy linger
    run "$BUILD/tests/config"
    [[ $output =~ ^policy\ ([^ ]*)@1\ linger\ ([^ ]*)\  ]]
    policy=${BASH_REMATCH[1]} linger=${BASH_REMATCH[2]}
    run "$START" check
    grep -Eq "^NOTIMEWAIT_POLICY +$policy \(default\)$" <<<"$output"
    grep -Eq "^NOTIMEWAIT_LINGER +$linger \(default\)$" <<<"$output"
}

@test "a bad configuration is shown, with the library's line: status 2" {
    NOTIMEWAIT_POLICY=abrt run "$START" check true
    echo "$output"
    [[ $status -eq 2 && $output == *"libnotimewait: NOTIMEWAIT_POLICY: 'abrt' is not accepted"* ]]
    [[ $output == *'dynamically linked'* ]]
}

@test "kernel, settings and ports of this namespace" {
    echo '40000 40999' >/proc/sys/net/ipv4/ip_local_port_range
    echo 30 >/proc/sys/net/ipv4/tcp_fin_timeout
    echo 1 >/proc/sys/net/ipv4/tcp_tw_reuse
    run "$START" check
    echo '32768 60999' >/proc/sys/net/ipv4/ip_local_port_range
    echo 60 >/proc/sys/net/ipv4/tcp_fin_timeout
    echo 0 >/proc/sys/net/ipv4/tcp_tw_reuse
    echo "$output"
    grep -Eq "^kernel +Linux $(uname -r)" <<<"$output"
    grep -Eq '^tcp_tw_reuse +1:' <<<"$output"
    grep -Eq '^tcp_fin_timeout +30 s' <<<"$output"
    grep -Eq '^local ports +40000-40999: 1000; .* 16 connections/s' <<<"$output"
}

@test "CAP_NET_ADMIN and SOCK_DESTROY are tried, and nothing is left behind" {
    run "$START" check
    [[ $output == *', CAP_NET_ADMIN over this network namespace'* ]]
    grep -Eq '^SOCK_DESTROY +possible' <<<"$output"
    run setpriv --bounding-set -net_admin --inh-caps -net_admin "$START" check
    echo "$output"
    [[ $output == *', no CAP_NET_ADMIN over this network namespace'* ]]
    grep -Eq '^SOCK_DESTROY +not permitted' <<<"$output"
    [[ -z $(ss -Htan) ]]
}

@test "what the kernel has for supervision, and what it means where it is missing" {
    local features='[.wait_killable_recv,.sync_wake_up]'
    [[ $(uname -r) =~ ^([0-9]+)\.([0-9]+) ]]
    local version=$((BASH_REMATCH[1] * 100 + BASH_REMATCH[2]))
    run "$START" check --json true
    [[ $(jq -c "$features" <<<"$output") == "[$([[ $version -ge 519 ]] && echo true || echo false),$([[ $version -ge 606 ]] && echo true || echo false)]" ]]
    run "$START" check true
    echo "$output"
    [[ $version -lt 606 || $output == *'  signals           wait once a call is received'*$'\n''  turns             program and supervisor take turns'* ]]
    run "$BUILD/tests/refuse" wait_killable sync_wake_up -- "$START" check --json true
    [[ $(jq -c "$features" <<<"$output") == '[false,false]' ]]
    run "$BUILD/tests/refuse" wait_killable sync_wake_up -- "$START" check true
    echo "$output"
    [[ $output == *'no WAIT_KILLABLE_RECV (Linux 5.19)'*'SA_RESTART'*'EINTR'*'no FD_SYNC_WAKE_UP (Linux 6.6)'* ]]
    run "$START" --by supervise "$START" check --json true # not possible: not tried
    [[ $(jq -c "[.supervision,$features]" <<<"$output") == '[false,[null,null]]' ]]
}

@test "where the library is, and that it is missing: status 1" {
    run "$START" check
    grep -Eq "^library +$LIB \(beside the launcher" <<<"$output"
    LD_PRELOAD=/x/'$LIB'/libnotimewait.so run "$START" check true
    grep -Eq '^library +/x/\$LIB/libnotimewait.so \(LD_PRELOAD names it' <<<"$output"
    cp "$START" "$BATS_TEST_TMPDIR/alone"
    run "$BATS_TEST_TMPDIR/alone" check
    [[ $status -eq 0 && $output == *'works by supervision: the library is not found'*'library             not found'* ]]
}

@test "a dynamically linked program works, by path and by PATH, and under check it is true" {
    check preload "$ACT"
    [[ $output == *"command             $ACT: dynamically linked ("*')' ]]
    check preload cat
    [[ $output == *"$(command -v cat): dynamically linked"* ]]
    check preload cat /no/argument/is/looked/at
}

@test "not found, not executable, not a program, not readable" {
    check no no-such-command
    [[ $output == *'no-such-command: not found'* ]]
    check no "$BATS_TEST_TMPDIR/none"
    check no ''
    touch "$BATS_TEST_TMPDIR/file"
    check no "$BATS_TEST_TMPDIR/file"
    [[ $output == *'chmod +x'*'file: not an executable file'* ]]
    check no "$BATS_TEST_TMPDIR"
    [[ $output == *': not an executable file but a directory'* && $output != *chmod* ]]
    run "$START" check /dev/null
    [[ $status -eq 1 && $output == *': not an executable file but a device, '* && $output != *chmod* ]]
    printf '#!\n' >"$BATS_TEST_TMPDIR/empty" # execvp() gives it to the shell
    chmod +x "$BATS_TEST_TMPDIR/empty"
    run "$START" check "$BATS_TEST_TMPDIR/empty"
    [[ $status -eq 0 && $output == *'/empty: a script, run by /bin/sh'* ]]
}

@test "static, and static-pie" {
    check supervision "$(compiled static -static)"
    [[ $output == *'static: statically linked'* ]]
    check supervision "$(compiled pie -static-pie)"
    [[ $output == *'pie: statically linked'* ]]
}

@test "Go, static or not, by its sections" {
    need objcopy
    local go=$BATS_TEST_TMPDIR/go
    echo note >"$go.note"
    objcopy --add-section .note.go.buildid="$go.note" "$(compiled static -static)" "$go"
    check supervision "$go"
    [[ $output == *net.Dialer.Control*'go: a Go program'* ]]
    objcopy --add-section .go.buildinfo="$go.note" "$(compiled dynamic)" "$go"
    check supervision "$go"
    [[ $output == *'go: a Go program'* ]]
}

@test "Go by its note, which a stripped program keeps" {
    printf '.section .note.go.x,"a"\n.long 4,4,4\n.ascii "Go\\0\\0abcd"\n' >"$BATS_TEST_TMPDIR/note.s"
    check supervision "$(compiled noted "$BATS_TEST_TMPDIR/note.s")"
    [[ $output == *'noted: a Go program'* ]]
}

# as_nobody STATUS PROGRAM: check, by another user than the one that the program belongs to.
as_nobody() {
    setpriv --reuid=65534 --clear-groups true || skip 'there is no other user here'
    local wanted=$1 public
    public=$(mktemp -d -p /tmp) # where another user may read
    chmod 755 "$public"
    cp --preserve=mode,xattr "$START" "$LIB" "$2" "$public"
    run setpriv --reuid=65534 --clear-groups "$public/notimewait" check "$public/$(basename "$2")"
    rm -r "$public"
    echo "$output"
    [[ $status -eq $wanted ]]
}

@test "setuid, setgid, file capabilities: not reached, unless by their owner" {
    local program
    program=$(compiled program)
    chmod u+s "$program"
    as_nobody 1 "$program"
    [[ $output == *'--by supervise from root'*'sudo notimewait'*': setuid or setgid'* ]]
    check preload "$program"
    "$START" --stats "$BATS_TEST_TMPDIR/stats" "$program" # and it is loaded there
    [[ -s $BATS_TEST_TMPDIR/stats ]]
    chgrp 12345 "$program" || skip 'there is no other group here'
    chmod u-s,g+s "$program"
    check supervision "$program" # root may: CAP_SYS_ADMIN
    [[ $output == *': setuid or setgid'* ]]
    chgrp 0 "$program"
    chmod g+s "$program"
    check preload "$program"
    chmod g-s "$program"
    need setcap
    setcap cap_net_raw+ep "$program" || skip 'file capabilities cannot be set here'
    check preload "$program"
    as_nobody 1 "$program"
    [[ $output == *': has file capabilities'*setpriv* ]]
}

@test "setuid, where the kernel gives no rights (no_new_privs): it is reached" {
    local program
    program=$(compiled program)
    chgrp 12345 "$program" || skip 'there is no other group here'
    chmod g+s "$program"
    run setpriv --no-new-privs "$START" check "$program"
    echo "$output"
    [[ $status -eq 0 && $output == *'program: dynamically linked'* ]]
}

@test "32-bit" {
    [[ $(uname -m) == x86_64 ]] || skip 'only a 64-bit PC has 32-bit programs'
    check supervision "$(compiled bits32 -m32)"
    [[ $output == *'another word size than the library (32-bit x86, glibc)'* ]]
    [[ $output == *'make lib32'*'$LIB'* ]]
    # A path with $LIB in it is the loader's to read.
    LD_PRELOAD=/usr/'$LIB'/libnotimewait.so check preload "$BATS_TEST_TMPDIR/bits32"
}

@test "another machine, another byte order, a damaged file" {
    local program
    program=$(compiled program)
    printf '\267\0' | dd of="$program" bs=1 seek=18 conv=notrunc status=none
    check supervision "$program"
    [[ $output == *'for another machine than the library (64-bit AArch64'* ]]
    printf '\2' | dd of="$program" bs=1 seek=5 conv=notrunc status=none
    check supervision "$program"
    [[ $output == *'for another machine than the library'* ]]
    # Headers that lead out of the file, at every length
    program=$(compiled program)
    local length
    for length in 1 4 16 52 60 64 100 500 1000 5000; do
        head -c "$length" "$program" >"$BATS_TEST_TMPDIR/short"
        chmod +x "$BATS_TEST_TMPDIR/short"
        run "$START" check "$BATS_TEST_TMPDIR/short"
        [[ $status -le 1 ]]
    done
}

@test "musl" {
    need musl-gcc
    check supervision "$(CC=musl-gcc compiled musl)"
    [[ $output == *musl-gcc*'another libc than the library (64-bit x86-64, musl)'* ]]
}

@test "a program whose loader is missing" {
    check no "$(compiled lost -Wl,--dynamic-linker=/none/ld.so)"
    [[ $output == *'its loader is not there (/none/ld.so)'* ]]
}

@test "a script: its interpreter is followed, named, and decides" {
    local DOUBT=', as far as is known' # of a shell's script
    check preload "$(script sh '#! /bin/sh -e')"
    [[ $output == *'sh: a script, run by /bin/sh'*'/bin/sh: dynamically linked'* ]]
    [[ ${lines[0]} == *'dynamically linked; what the script starts is not looked at' ]]
    check preload "$(script none 'echo no interpreter')"
    [[ $output == *'none: a script, run by /bin/sh'* ]]
    check preload "$(script env '#!/usr/bin/env -S -i X=1 bash -e')"
    [[ $output == *"run by $(command -v bash)"* ]]
    DOUBT=
    check no "$(script bad '#!/none/sh')"
    [[ $output == *'/none/sh: not found'* ]]
    check supervision "$(script static "#!$(compiled interpreter -static)")"
    [[ $output == *'/interpreter: statically linked'* ]]
    DOUBT=', as far as is known' check preload "$(script nested "#!$BATS_TEST_TMPDIR/sh")"
    [[ $output == *'nested: a script, run by '*'sh: a script, run by /bin/sh'*': dynamically linked ('* ]]
    check no "$(script self "#!$BATS_TEST_TMPDIR/self")"
    [[ $output == *'too deep'* ]]
}

@test "what check says is true: preloaded where it works, not where it does not" {
    local program
    for program in "$(compiled dynamic)" "$(compiled static -static)"; do
        rm -f "$BATS_TEST_TMPDIR/stats"
        local said
        said=$("$START" check --json "$program" | jq -r .verdict)
        "$START" --anyway --stats "$BATS_TEST_TMPDIR/stats" "$program"
        [[ -s $BATS_TEST_TMPDIR/stats && $said == preload || ! -e $BATS_TEST_TMPDIR/stats && $said == supervision ]]
    done
}
