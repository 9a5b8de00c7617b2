# NOTIMEWAIT_DEEPBIND: what is loaded with RTLD_DEEPBIND, and dlopen() as its caller sees it.
# shellcheck disable=SC2153 # BUILD is the helper's
load ../lib/helper
bats_require_minimum_version 1.5.0

# built NAME FLAG...: a program or library from the C on stdin.
built() {
    gcc -O2 -x c -o "$BATS_TEST_TMPDIR/$1" - "${@:2}"
}

# programs: `plugin.so`, which connects; `host`, which loads what its argument names.
programs() {
    built plugin.so -shared -fPIC <<'END'
#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>
int once(int port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return connect(fd, (struct sockaddr *)&to, sizeof to) != 0 || write(fd, "x", 1) != 1 || close(fd) != 0;
}
END
    built host "-Wl,-rpath,\$ORIGIN" <<'END'
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
int main(int c, char **v)
{
    void *plugin = dlopen(v[1], RTLD_NOW | RTLD_DEEPBIND);
    if (!plugin) return puts(dlerror()), 2;
    return ((int (*)(int))dlsym(plugin, "once"))(atoi(v[2]));
}
END
}

# logged VALUE NAME: how many closes the library saw, of the host that loads NAME.
logged() {
    rm -f "$LOG"
    serve "$PORT" accept readall close >&2
    NOTIMEWAIT_DEEPBIND=$1 NOTIMEWAIT_LOG=$LOG preload auto "$BATS_TEST_TMPDIR/host" "$2" "$PORT" >&2
    finish server >&2
    new_port
    if [[ -e $LOG ]]; then wc -l <"$LOG"; else echo 0; fi
}

@test "fact 22: keep, the default: nothing is seen of it; drop: it is; both: seen from outside" {
    programs
    [[ $(logged '' "$BATS_TEST_TMPDIR/plugin.so") -eq 0 ]]
    [[ $(logged keep "$BATS_TEST_TMPDIR/plugin.so") -eq 0 ]]
    [[ $(logged drop "$BATS_TEST_TMPDIR/plugin.so") -eq 1 ]]
    new_port
    serve "$PORT" accept readall close
    "$BUILD/notimewait" --by both -p fin-rst "$BATS_TEST_TMPDIR/host" "$BATS_TEST_TMPDIR/plugin.so" "$PORT"
    finish server
    settle "$PORT"
    [[ $(time_wait_client "$PORT") -eq 0 ]]
}

@test "a library is looked for where its caller looks: DT_RUNPATH, \$ORIGIN" {
    programs
    [[ $(logged drop plugin.so) -eq 1 ]]
    [[ $(logged keep plugin.so) -eq 0 ]]
    run preload auto "$BATS_TEST_TMPDIR/host" none.so 1
    [[ $status -eq 2 && $output == *none.so* ]]
}

@test "what drop breaks: a function of the plugin's own that the program has, too, is the program's" {
    built clash.so -shared -fPIC <<'END'
const char *whose(void) { return "the plugin's"; }
const char *once(void) { return whose(); }
END
    built clashing -rdynamic <<'END'
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
const char *whose(void) { return "the program's"; }
int main(int c, char **v)
{
    void *plugin = dlopen(v[c - 1], RTLD_NOW | RTLD_DEEPBIND);
    return puts(((const char *(*)(void))dlsym(plugin, "once"))()) < 0;
}
END
    NOTIMEWAIT_DEEPBIND=keep run preload auto "$BATS_TEST_TMPDIR/clashing" "$BATS_TEST_TMPDIR/clash.so"
    [[ $status -eq 0 && $output == "the plugin's" ]]
    NOTIMEWAIT_DEEPBIND=drop run preload auto "$BATS_TEST_TMPDIR/clashing" "$BATS_TEST_TMPDIR/clash.so"
    [[ $status -eq 0 && $output == "the program's" ]]
}

@test "another value is refused" {
    NOTIMEWAIT_DEEPBIND=no run preload auto /bin/true
    echo "$output"
    [[ $output == *"NOTIMEWAIT_DEEPBIND: 'no' is not accepted; accepted: keep, drop; no policy is in force" ]]
}
