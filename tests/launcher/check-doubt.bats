# notimewait check: what cannot be looked at is said to be unknown, and never to work.
# shellcheck disable=SC2016 # the loader's own variables, and scripts'
# shellcheck disable=SC2153,SC2154 # BUILD is the helper's; publish sets public
load ../lib/helper
load ../lib/user
bats_require_minimum_version 1.5.0

START=$BUILD/notimewait

prepare() {
    publish "$START" "$LIB"
    dir=$public
}

clean_up() {
    rm -rf "$dir"
}

# compiled NAME CODE [FLAG...]
compiled() {
    gcc -O2 -o "$dir/$1" -x c - -x none "${@:3}" <<<"$2"
}

# as_nobody ARG...: check, as an ordinary user.
as_nobody() {
    setpriv --reuid=65534 --regid=65534 --clear-groups true || skip 'there is no other user here'
    run setpriv --reuid=65534 --regid=65534 --clear-groups "$dir/notimewait" check "$@"
    echo "$output"
}

@test "a program that this user may run and not read: does not work as far as is known, status 1" {
    compiled program 'int main(void) { return 0; }'
    chmod 711 "$dir/program"
    as_nobody "$dir/program"
    [[ $status -eq 1 ]]
    [[ ${lines[0]} == "does not work, as far as is known: $dir/program: cannot be read"*'nothing is known of it' ]]
    [[ ${lines[1]} == 'what to do '*'as a user who may read it'* ]]
    as_nobody --json "$dir/program"
    [[ $(jq -c '[.verdict,.known]' <<<"$output") == '["no",false]' ]]
    printf '#!%s\n' "$dir/program" >"$dir/script"
    chmod 755 "$dir/script"
    as_nobody "$dir/script"
    [[ $status -eq 1 && ${lines[0]} == "does not work, as far as is known: $dir/program: "* ]]
    run "$dir/notimewait" check "$dir/program" # who may read it
    [[ $status -eq 0 && ${lines[0]} == 'works by preload: '* ]]
}

@test "a library, or a part of the program, that this user may not read: in part, as far as is known" {
    compiled libpart.so 'int part(void) { return 0; }' -shared -fPIC
    compiled program 'int part(void); int main(void) { return part(); }' "$dir/libpart.so" '-Wl,-rpath,$ORIGIN'
    as_nobody "$dir/program"
    [[ $status -eq 0 && ${lines[0]} == 'works by preload: '* ]]
    chmod 700 "$dir/libpart.so"
    as_nobody "$dir/program"
    [[ $status -eq 0 && ${lines[0]} == "works in part, as far as is known: $dir/libpart.so: cannot be read"* ]]
    as_nobody --json "$dir/program"
    [[ $(jq -c '[.verdict,.known,.findings[].finding]' <<<"$output") == '["part",false,"unread"]' ]]
    compiled daemon "const char *part = \"$dir/daemon-session\"; int main(void) { return part == 0; }"
    compiled daemon-session 'int main(void) { return 0; }'
    as_nobody "$dir/daemon"
    [[ ${lines[0]} == 'works by preload: '* ]]
    chmod 711 "$dir/daemon-session"
    as_nobody "$dir/daemon"
    [[ ${lines[0]} == "works in part, as far as is known: $dir/daemon-session: cannot be read"* ]]
}

@test "a library that is not found: works, as far as is known; \$ORIGIN is the program's own directory" {
    mkdir "$dir/lib" "$dir/bin"
    compiled lib/libpart.so 'int part(void) { return 0; }' -shared -fPIC
    compiled lib/program 'int part(void); int main(void) { return part(); }' -L"$dir/lib" -lpart '-Wl,-rpath,$ORIGIN'
    ln -s ../lib/program "$dir/bin/program"
    run "$START" check "$dir/bin/program"
    echo "$output"
    [[ ${lines[0]} == 'works by preload: '* ]]
    rm "$dir/lib/libpart.so"
    run "$START" check "$dir/bin/program"
    echo "$output"
    [[ $status -eq 0 && ${lines[0]} == 'works by preload, as far as is known: '* ]]
    [[ $output == *'not known           libpart.so: is needed, and is not found'* ]]
}

@test "RTLD_DEEPBIND is read on two machines: of others it is said that it is not known" {
    [[ $(uname -m) == x86_64 ]] || skip 'only a 64-bit PC has 32-bit programs'
    local code='#define _GNU_SOURCE
#include <dlfcn.h>
int main(int c, char **v) { return dlopen(v[c - 1], RTLD_NOW | RTLD_DEEPBIND) == 0; }'
    compiled deep "$code" -m32
    # Which library that is, the loader will know.
    LD_PRELOAD=/usr/'$LIB'/libnotimewait.so run --separate-stderr "$START" check "$dir/deep"
    echo "$output"
    [[ ${lines[0]} == "works by preload, as far as is known: $dir/deep: dynamically linked" ]]
    [[ $output == *"not known           $dir/deep: calls dlopen(), and its code is not read for RTLD_DEEPBIND"* ]]
    compiled plain 'int main(void) { return 0; }' -m32
    LD_PRELOAD=/usr/'$LIB'/libnotimewait.so run --separate-stderr "$START" check "$dir/plain"
    [[ ${lines[0]} == 'works by preload: '* ]]
    compiled deep "$code"
    run "$START" check "$dir/deep"
    [[ ${lines[0]} == 'works in part: '* && $output != *'not known'* ]]
}

@test "handlers without SA_RESTART: where it is not in the code of one that calls sigaction()" {
    [[ $(uname -m) == x86_64 ]] || skip 'flags are read from the code of a PC'
    local flags
    for flags in 0 SA_SIGINFO SA_RESTART 'SA_RESTART | SA_SIGINFO' 'SA_RESTART | SA_ONSTACK'; do
        compiled program "#define _GNU_SOURCE
#include <signal.h>
void f(int s) { (void)s; }
int main(void) { struct sigaction a = {.sa_handler = f, .sa_flags = $flags}; return sigaction(SIGALRM, &a, 0); }"
        run "$START" check "$dir/program"
        echo "$flags: $output"
        if [[ $flags == *RESTART* ]]; then
            [[ $output != *$'\n''signals  '* && $("$START" check --json "$dir/program" | jq -r .omits_restart) == '' ]]
        else
            [[ $output == *"signals             $dir/program: calls sigaction(), and SA_RESTART is not seen"*EINTR* ]]
        fi
    done
}

@test "modules that only configuration names, beside the program: what one does that is not seen leaves doubt" {
    [[ $(uname -m) == x86_64 ]] || skip 'flags are read from the code of a 64-bit PC'
    local deep='#define _GNU_SOURCE
#include <dlfcn.h>
int deep(const char *name) { return dlopen(name, RTLD_NOW | RTLD_DEEPBIND) == 0; }' place
    mkdir "$dir/sbin"
    compiled sbin/server '#include <dlfcn.h>
int main(int c, char **v) { return dlopen(v[c - 1], RTLD_NOW) == 0; }'
    for place in lib lib/some-linux-gnu; do
        mkdir -p "$dir/$place/server/modules"
        compiled "$place/server/modules/mod_plain.so" 'int f(void) { return 0; }' -shared -fPIC
        run "$START" check "$dir/sbin/server"
        [[ ${lines[0]} == 'works by preload: '* ]]
        compiled "$place/server/modules/mod_deep.so" "$deep" -shared -fPIC
        run "$START" check "$dir/sbin/server"
        echo "$output"
        [[ ${lines[0]} == 'works by preload, as far as is known: '* ]]
        [[ $output == *"not known           $dir/$place/server/modules/mod_deep.so: is loaded where its configuration"* ]]
        [[ $("$START" check --json "$dir/sbin/server" | jq -c '[.known,.module]') == "[false,\"$dir/$place/server/modules/mod_deep.so\"]" ]]
        rm -r "${dir:?}/lib"
    done
}

# script LINE...: a script with these lines.
script() {
    printf '%s\n' "$@" >"$dir/script"
    chmod 755 "$dir/script"
    run "$START" check "$dir/script"
    echo "$output"
}

@test "a shell's script may start anything: as far as is known; an exec is followed, by variables and PATH" {
    compiled plain 'int main(void) { return 0; }'
    compiled static 'int main(void) { return 0; }' -static
    compiled filter '#include <stdio.h>
#include <sys/prctl.h>
int main(void) { if (prctl(PR_SET_SECCOMP, 2, 0) != 0) puts("seccomp"); }'
    script '#!/bin/sh' "$dir/static"
    [[ $status -eq 0 && ${lines[0]} == 'works by preload, as far as is known: /bin/sh: '*'; what the script starts is not looked at' ]]
    [[ $("$START" check --json "$dir/script" | jq -c '[.verdict,.known]') == '["preload",false]' ]]
    script '#!/bin/sh' "DIR=$dir" 'NAME="static" # of it' "export FILE='filter'" "if true; then" '  exec "${DIR}/$FILE" "$@"'
    [[ ${lines[0]} == "works in part, as far as is known: $dir/filter: installs a seccomp"* ]]
    [[ $output == *"$dir/script: a script, run by /bin/sh"*"$dir/filter: dynamically linked ("* ]]
    script '#!/bin/sh' 'exec 3>&1' "exec $dir/static"
    [[ ${lines[0]} == "works by supervision, as far as is known: $dir/static: "* ]]
    PATH=$dir:$PATH script '#!/bin/sh' 'exec plain -E "$@"'
    [[ ${lines[0]} == "works by preload, as far as is known: $dir/plain: dynamically linked; what else"* ]]
    for line in 'exec "$(cat name)"' 'exec $UNSET/static' 'exec /none/static' "exec $dir" 'echo exec' 'exec'; do
        script '#!/bin/sh' "$line"
        [[ ${lines[0]} == 'works by preload, as far as is known: /bin/sh: '* ]]
    done
    script '#!/bin/sh' "exec $dir/script"
    [[ ${lines[0]} == 'works by preload, as far as is known: /bin/sh: '* ]]
}

@test "of several things that are not seen the filter is said first" {
    [[ $(uname -m) == x86_64 ]] || skip 'flags are read from the code of a 64-bit PC'
    compiled both '#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <sys/prctl.h>
int main(int c, char **v) { if (prctl(PR_SET_SECCOMP, 2, 0) != 0) puts("seccomp");
    return dlopen(v[c - 1], RTLD_NOW | RTLD_DEEPBIND) == 0; }'
    run "$START" check "$dir/both"
    echo "$output"
    [[ ${lines[0]} == "works in part: $dir/both: installs a seccomp filter"* && ${lines[3]} == *RTLD_DEEPBIND* ]]
}
