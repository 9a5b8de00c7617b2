# notimewait check: what a program does that the library would not see, and what runs already.
# shellcheck disable=SC2153 # BUILD is the helper's
load ../lib/helper
load ../lib/builds
bats_require_minimum_version 1.5.0

START=$BUILD/notimewait

# compiled NAME CODE [FLAG...]: a program.
compiled() {
    printf '%s\n' "$2" >"$BATS_TEST_TMPDIR/$1.c"
    gcc -O2 -o "$BATS_TEST_TMPDIR/$1" "$BATS_TEST_TMPDIR/$1.c" "${@:3}"
    echo "$BATS_TEST_TMPDIR/$1"
}

# verdict PROGRAM: of the JSON, and its findings.
verdict() {
    "$START" check --json "$1" | jq -r '[.verdict, (.findings[] | .finding)] | join(" ")'
}

dlopens() {
    echo "#define _GNU_SOURCE
#include <dlfcn.h>
int main(int c, char **v) { return dlopen(v[c - 1], $1) == 0; }"
}

@test "libraries that are loaded with RTLD_DEEPBIND: in part, by its code, also in a library" {
    [[ $(uname -m) == x86_64 ]] || skip 'flags are read from the code of a 64-bit PC'
    local flags program
    for flags in RTLD_NOW 'RTLD_LAZY | RTLD_GLOBAL'; do
        [[ $(verdict "$(compiled deep "$(dlopens "$flags | RTLD_DEEPBIND")")") == 'part deepbind' ]]
        [[ $(verdict "$(compiled deep "$(dlopens "$flags | RTLD_DEEPBIND")" -fno-plt)") == 'part deepbind' ]]
        [[ $(verdict "$(compiled plain "$(dlopens "$flags")")") == preload ]]
    done
    # strrchr(name, '.') before it: 0x2e is no flag
    program=$(compiled dotted '#include <dlfcn.h>
#include <string.h>
int main(int argc, char **argv) { return argc + !dlopen(strrchr(argv[0], 0x2e), RTLD_LAZY); }')
    [[ $(verdict "$program") == preload ]]
    compiled libdeep.so "$(dlopens 'RTLD_NOW | RTLD_DEEPBIND' | sed 's/int main/int deep/')" -shared -fPIC
    program=$(compiled user 'int deep(int, char **); int main(int c, char **v) { return deep(c, v); }' \
        "$BATS_TEST_TMPDIR/libdeep.so" "-Wl,-rpath,\$ORIGIN")
    run "$START" check "$program"
    echo "$output"
    [[ $status -eq 0 && ${lines[0]} == "works in part: $BATS_TEST_TMPDIR/libdeep.so: "* && $output == *'--by both'* ]]
}

@test "the extensions that it loads so are named, as far as they connect" {
    [[ $(uname -m) == x86_64 ]] || skip 'flags are read from the code of a 64-bit PC'
    local dir=$BATS_TEST_TMPDIR/extensions program
    mkdir "$dir"
    program=$(compiled host "$(dlopens 'RTLD_NOW | RTLD_DEEPBIND')
const char *extensions(void) { return \"$dir\"; }")
    compiled extensions/net.so '#include <sys/socket.h>
int f(void) { return connect(0, 0, 0); }' -shared -fPIC
    compiled extensions/ctype.so 'int f(void) { return 0; }' -shared -fPIC
    run "$START" check "$program"
    echo "$output"
    [[ $output == *"where loaded      net, of $dir"$'\n'* && $output != *ctype* ]]
    # before the configuration, which nobody asked about
    [[ ${lines[1]} == "not seen            $program: "* && ${lines[3]} == '  what to do        --by both'* ]]
}

@test "of many extensions twelve are named, in order; a directory of all programs' libraries is none of its own" {
    [[ $(uname -m) == x86_64 ]] || skip 'flags are read from the code of a 64-bit PC'
    local dir=$BATS_TEST_TMPDIR/many program i
    mkdir "$dir"
    compiled one.so '#include <sys/socket.h>
int f(void) { return connect(0, 0, 0); }' -shared -fPIC
    for i in {10..24}; do
        cp "$BATS_TEST_TMPDIR/one.so" "$dir/e$i.so"
    done
    program=$(compiled host "$(dlopens 'RTLD_NOW | RTLD_DEEPBIND')
const char *extensions(void) { return \"$dir\"; }")
    run "$START" check "$program"
    echo "$output"
    [[ $output == *"where loaded      e10, e11, e12, e13, e14, e15, e16, e17, e18, e19, e20, e21 and 3 more, of $dir"$'\n'* ]]
    local shared=/usr/lib/x86_64-linux-gnu
    compgen -G "$shared/*.so" >/dev/null || skip 'no such directory here'
    program=$(compiled host "$(dlopens 'RTLD_NOW | RTLD_DEEPBIND')
const char *libraries(void) { return \"$shared\"; }")
    run "$START" check "$program"
    echo "$output"
    [[ ${lines[0]} == 'works in part: '* && $output != *'where loaded'* ]]
}

@test "a library that its strings name, which dlopen() may load, is looked at; of others that is said" {
    [[ $(uname -m) == x86_64 ]] || skip 'flags are read from the code of a 64-bit PC'
    local program name
    compiled libdeep.so.2 "$(dlopens 'RTLD_NOW | RTLD_DEEPBIND' | sed 's/int main/int deep/')" -shared -fPIC
    for name in libdeep.so.2 "$BATS_TEST_TMPDIR/libdeep.so.2"; do
        program=$(compiled opener "#include <dlfcn.h>
int main(void) { return dlopen(\"$name\", RTLD_NOW) == 0; }" "-Wl,-rpath,\$ORIGIN")
        run "$START" check "$program"
        echo "$output"
        [[ ${lines[0]} == "works in part: $BATS_TEST_TMPDIR/libdeep.so.2: loads"* ]]
    done
    program=$(compiled any "$(dlopens RTLD_NOW)")
    run "$START" check "$program"
    echo "$output"
    [[ ${lines[0]} == 'works by preload: '* && ${lines[1]} == "modules             $program: "*'not looked at'* ]]
    [[ $("$START" check --json "$program" | jq -r .opens) == "$program" ]]
    program=$(compiled none "int main(void) { return \"$BATS_TEST_TMPDIR/libdeep.so.2\"[0] == 0; }")
    [[ $(verdict "$program") == preload && $("$START" check --json "$program" | jq -r .opens) == '' ]]
}

@test "names over TCP (use-vc), rcmd(), seccomp" {
    local program
    program=$(compiled names '#include <netdb.h>
int main(int c, char **v) { struct addrinfo *a; return getaddrinfo(v[c - 1], "80", 0, &a); }')
    [[ $(verdict "$program") == preload ]]
    run "$START" check "$program" # as most programs: said, but not in part
    [[ $output == *"names               $program: looks names up: "*'over TCP'* ]]
    RES_OPTIONS='use-vc' run verdict "$program"
    [[ $output == 'part resolver' ]]
    [[ $(RES_OPTIONS=use-vc "$START" check "$program") != *'names  '* ]]
    [[ $(verdict "$(compiled remote '#include <netdb.h>
int main(int c, char **v) { return rcmd(v, c, "a", "b", "c", 0); }')") == 'part rcmd' ]]
    local code='#include <stdio.h>
#include <sys/prctl.h>
int main(void) { if (prctl(PR_SET_SECCOMP, 2, 0) != 0) puts("seccomp"); }'
    [[ $(verdict "$(compiled filter "$code")") == 'part seccomp' ]]
    [[ $(uname -m) == x86_64 ]] || return 0
    local dir bits
    build_in lib32 CC='gcc -m32' ./notimewait ./libnotimewait.so
    START=$dir/notimewait
    for bits in '' "$TIME64"; do
        # shellcheck disable=SC2086 # words
        [[ $(verdict "$(compiled filter32 "$code" -m32 $bits)") == 'part seccomp' ]]
    done
}

@test "an AppImage, and a sanitizer: in part; by preload, with what notimewait does for it" {
    local program
    program=$(compiled app 'int main(void) { return 0; }')
    printf 'AI\2' | dd of="$program" bs=1 seek=8 conv=notrunc status=none
    [[ $(verdict "$program") == 'part appimage' ]]
    run "$START" check "$(compiled asan 'int main(void) { return 0; }' -fsanitize=address)"
    [[ $status -eq 0 && ${lines[0]} == 'works by preload: '*"preloads the sanitizer's runtime first"* ]]
}

@test "where supervision is not possible, it is not said to work" {
    run "$START" --by supervise "$START" check "$(compiled static 'int main(void) { return 0; }' -static)"
    echo "$output"
    [[ $status -eq 1 && ${lines[0]} == 'does not work: '*'(EBUSY)' ]]
}

@test "signals that interrupt calls: what that means under supervision" {
    local program
    program=$(compiled siginterrupt '#include <signal.h>
int main(void) { return siginterrupt(SIGALRM, 1); }')
    run "$START" check "$program"
    echo "$output"
    [[ $status -eq 0 && $output == *"signals             $program: "*'EINTR'* ]]
    [[ $("$START" check --json "$program" | jq -r .interrupts) == "$program" ]]
    [[ $("$START" check --json true | jq -r .interrupts) == '' ]]
}

# running WAY CMD...: act as `server`, with a connection of its own and an accepted one.
running() {
    local other
    other=$(port)
    start other act "listen:$other" accept readall
    wait_output other '^listen'
    start server "$@" "$ACT" use:c "connect:$other" use:x "listen:$PORT" accept "wait-file:$BATS_TEST_TMPDIR/go:20000"
    wait_output server '^listen'
    start client act "connect:$PORT" readall
    wait_output server '^accept'
}

stopped() {
    touch "$BATS_TEST_TMPDIR/go"
    finish server
    finish client
    finish other
}

@test "a running process: loaded or not, its policy, its sockets, and what passes by" {
    running env
    run "$START" check --pid "$(pid_of server)"
    echo "$output"
    [[ $status -eq 1 && ${lines[0]} == "does not work: act ($(pid_of server)): the library is not loaded"* ]]
    "$START" attach "$(pid_of server)"
    run "$START" check --pid "$(pid_of server)"
    [[ $status -eq 0 && ${lines[0]} == 'works in part: '*': its listening sockets are attached' ]]
    [[ $output == *'attached since      not known'* ]]
    stopped
    rm "$BATS_TEST_TMPDIR/go"
    new_port
    running "$START" -p fin-rst
    run "$START" check --pid "$(pid_of server)"
    echo "$output"
    [[ $status -eq 0 && ${lines[0]} == "works by preload: act ($(pid_of server)): the library is loaded" ]]
    [[ $output == *'running since       '*'loaded since        it ran this program'*'NOTIMEWAIT_POLICY   fin-rst'$'\n'* ]]
    [[ $output != *'  switch'* ]]
    [[ $output == *'ESTABLISHED: fin-rst SO_REUSEADDR'* && $output == *'1 open, of which 0 pass it by'* ]]
    run "$START" check --json --pid "$(pid_of server)"
    echo "$output"
    [[ $(jq -c '[.verdict, .loaded, .policy, .listeners, .connections, .passed_by]' <<<"$output") == '["preload",true,"fin-rst",1,1,0]' ]]
    stopped
    run "$START" check --pid 999999999
    [[ $status -eq 1 && $output == *'there is no such process' ]]
    run "$START" check --pid x
    [[ $status -eq 2 ]]
}

@test "a running process that is supervised" {
    start parent "$START" --by supervise sh -c 'echo $$; exec sleep 20'
    wait_output parent '^[0-9]'
    until_true 5000 grep -qx sleep "/proc/$(output_of parent)/comm"
    run "$START" check --pid "$(output_of parent)"
    kill "$(output_of parent)"
    echo "$output"
    [[ $status -eq 0 && ${lines[0]} == 'works by supervision: sleep ('*'it is supervised' ]]
    [[ $output == *'supervised since    then'* ]]
    finish parent || true
}

@test "a running process: what its board's switch says" {
    local board pid
    board=$(mktemp -d -p /dev/shm)
    start server "$START" --board "$board/b" -p fin-rst sleep 20
    until_true 5000 test -e "$board/b/switch"
    pid=$(pid_of server)
    until_true 5000 grep -q libnotimewait "/proc/$pid/maps"
    run "$START" check --pid "$pid"
    echo "$output"
    [[ $output == *'  switch            not used, or reset: NOTIMEWAIT_POLICY is in force'* ]]
    "$START" switch "$board/b" off
    run "$START" check --pid "$pid"
    [[ $output == *'  switch            off: nothing acts'* ]]
    "$START" switch "$board/b" 'off|auto'
    run "$START" check --pid "$pid"
    [[ $output == *'  switch            off|auto, in place of NOTIMEWAIT_POLICY'* ]]
    [[ $("$START" check --json --pid "$pid" | jq -r .switch) == 'off|auto' ]]
    rm -r "$board"
    run "$START" check --pid "$pid"
    kill "$pid"
    echo "$output"
    [[ $output == *'  switch            not known: its switch cannot be opened: No such file'* ]]
}

@test "a running process: what dlopen() has loaded, and its file does not name" {
    [[ $(uname -m) == x86_64 ]] || skip 'flags are read from the code of a 64-bit PC'
    local program pid
    compiled module.so "$(dlopens 'RTLD_NOW | RTLD_DEEPBIND' | sed 's/int main/int deep/')" -shared -fPIC
    program=$(compiled host '#include <dlfcn.h>
#include <stdio.h>
#include <unistd.h>
int main(int c, char **v) {
    void *module = c > 1 ? dlopen(v[1], RTLD_NOW) : NULL;
    puts(module || c == 1 ? "ready" : "failed");
    fflush(stdout);
    return sleep(20); }')
    [[ $(verdict "$program") == preload ]]
    start server "$START" "$program" "$BATS_TEST_TMPDIR/module.so"
    wait_output server '^ready'
    pid=$(pid_of server)
    run "$START" check --pid "$pid"
    kill "$pid"
    echo "$output"
    [[ $status -eq 0 && ${lines[0]} == 'works in part: host ('*'what else it has mapped may pass it by' ]]
    [[ ${lines[1]} == "not seen            $BATS_TEST_TMPDIR/module.so: loads"* && ${lines[2]} == '  what to do        --by both'* ]]
    start server "$START" "$program"
    wait_output server '^ready'
    pid=$(pid_of server)
    run "$START" check --json --pid "$pid"
    kill "$pid"
    [[ $(jq -c '[.verdict,.findings,.switch]' <<<"$output") == '["preload",[],null]' ]]
}
