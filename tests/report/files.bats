# Where records go: a record is written whole or not at all, to the file that was named and to no
# other, and the program does not notice. (What is in a record: log.bats, stats.bats.)
load ../lib/helper

# client LOG [STEP...]: a connection to the server at PORT, logged there.
client() {
    NOTIMEWAIT_LOG=$1 preload off act "connect:$PORT" "${@:2}" close
}

# whole FILE RECORDS: it has so many records, and besides them only blank lines.
whole() {
    echo "$1:" && cat -A "$1"
    [[ $(tail -c 1 "$1" | od -An -c) =~ \\n ]]
    [[ $(jq -c .pid "$1" | wc -l) -eq $2 && $(grep -c '[^ ]' "$1") -eq $2 ]]
}

@test "a record in a file is three system calls: open, write, close; with the design's flags" {
    need strace
    serve "$PORT" accept readall close
    strace -qq -o "$BATS_TEST_TMPDIR/trace" -E LD_PRELOAD="$LIB" -E NOTIMEWAIT_POLICY=off \
        -E NOTIMEWAIT_LOG="$LOG" "$ACT" "connect:$PORT" close
    run grep -B 1 -A 3 'O_CREAT.*O_NOFOLLOW' "$BATS_TEST_TMPDIR/trace"
    echo "$output"
    [[ ${lines[1]} == *'O_WRONLY|O_CREAT|O_NOCTTY|O_APPEND|O_NONBLOCK|'*'O_NOFOLLOW|O_CLOEXEC, 0600)'* ]]
    [[ ${lines[2]} == write\(*'{\"ts\":'* && ${lines[3]} == close\(* ]]
    [[ ${lines[0]}${lines[4]} != *sigprocmask* ]]
}

@test "a file that is made is 0600, also under umask 0; one that is there keeps its mode" {
    serve "$PORT" loop:2 accept readall close end
    (umask 0 && client "$LOG")
    [[ $(command stat -c %a "$LOG") == 600 ]]
    touch "$LOG.old"
    chmod 644 "$LOG.old"
    client "$LOG.old"
    [[ $(command stat -c %a "$LOG.old") == 644 && -s $LOG.old ]]
}

@test "rotation: a log that is renamed is over, and the next record makes a new one" {
    local go=$BATS_TEST_TMPDIR/go
    serve "$PORT" loop:2 accept readall close end
    start client env NOTIMEWAIT_LOG="$LOG" LD_PRELOAD="$LIB" "$ACT" "connect:$PORT" write:1 close \
        say:first "wait-file:$go:20000" "connect:$PORT" write:2 close
    wait_output client '^say first'
    mv "$LOG" "$LOG.1"
    : >"$go"
    finish client
    finish server
    [[ $(wc -l <"$LOG.1") -eq 1 && $(wc -l <"$LOG") -eq 1 && $(stat -c %a "$LOG") == 600 ]]
    [[ $(json via "$LOG") == close && $(json local "$LOG") != $(json local "$LOG.1") ]]
}

@test "a symbolic link is not followed: one line says so" {
    serve "$PORT" accept readall close
    touch "$BATS_TEST_TMPDIR/target"
    ln -s target "$BATS_TEST_TMPDIR/link"
    run client "$BATS_TEST_TMPDIR/link"
    echo "$output"
    [[ ${lines[0]} == "libnotimewait: NOTIMEWAIT_LOG: '$BATS_TEST_TMPDIR/link' cannot be opened: Symbolic links are not followed; policies still apply" ]]
    [[ $status -eq 0 && ! -s $BATS_TEST_TMPDIR/target ]]
}

@test "%p is expanded in the value, not in the name of the current directory" {
    mkdir "$BATS_TEST_TMPDIR/50%pure"
    cd "$BATS_TEST_TMPDIR/50%pure"
    serve "$PORT" accept readall close
    client log.%p
    ls
    [[ $(ls) == "log.$(jq .pid log.*)" ]]
}

# told ROOM POLICIES CONNECTIONS: what a process that splits its connections between so many
# policies leaves, as statistics, in a pipe as stderr that has room for so many bytes.
told() {
    serve "$PORT" "loop:$3" accept readall close end
    python3 - "$@" "$PORT" "$LIB" "$ACT" <<'END'
import fcntl, os, subprocess, sys
room, policies, connections = map(int, sys.argv[1:4])
port, lib, act = sys.argv[4:]
r, w = os.pipe()
size = fcntl.fcntl(w, 1031, 16384)  # F_SETPIPE_SZ
os.write(w, b'x' * (size - room))
split = '|'.join('linger:%d' % (1000 + i) for i in range(policies))
env = dict(os.environ, LD_PRELOAD=lib, NOTIMEWAIT_STATS='stderr', NOTIMEWAIT_POLICY=split,
           NOTIMEWAIT_SEED='1')
p = subprocess.run([act, 'loop:%d' % connections, 'connect:' + port, 'close', 'end'],
                   stdout=subprocess.DEVNULL, stderr=w, env=env, timeout=60)
os.close(w)
left = b''
while part := os.read(r, 65536):
    left += part
sys.stdout.buffer.write(left[size - room:])
sys.exit(p.returncode)
END
}

@test "statistics in a pipe: what may be taken in part leaves out what nothing happened under" {
    run told 4096 16 2
    echo "$output"
    [[ $status -eq 0 && ${#lines[@]} -eq 1 ]]
    [[ $(jq -c '[.policies[].connections]|sort' <<<"$output") =~ ^\[(1,1|2)\]$ ]]
}

@test "statistics in a pipe without room: nothing; longer than a pipe takes: one line says so" {
    new_port
    run told 0 2 2
    echo "$output"
    [[ $status -eq 0 && -z $output ]]
    new_port
    run told 16384 16 400
    echo "$output"
    [[ $status -eq 0 && $output == 'libnotimewait: NOTIMEWAIT_STATS: the statistics are longer than a pipe takes as a whole, and are not written; name a file' ]]
}

@test "statistics in a FIFO that is made after the start: the same as in a pipe" {
    run python3 - "$LIB" "$ACT" "$BATS_TEST_TMPDIR" <<'END'
import fcntl, os, subprocess, sys
lib, act, directory = sys.argv[1:]
fifo, go = directory + '/fifo', directory + '/go'
env = dict(os.environ, LD_PRELOAD=lib, NOTIMEWAIT_STATS=fifo,
           NOTIMEWAIT_POLICY='|'.join('linger:%d' % (1000 + i) for i in range(16)))
p = subprocess.Popen([act, 'say:begun', 'wait-file:%s:10000' % go], env=env, stdout=subprocess.PIPE)
p.stdout.readline()
os.mkfifo(fifo)
r = os.open(fifo, os.O_RDWR | os.O_NONBLOCK)
os.write(r, b'x' * (fcntl.fcntl(r, 1031, 16384) - 4096))  # F_SETPIPE_SZ
open(go, 'w').close()
p.wait()
sys.stdout.buffer.write(os.read(r, 65536).lstrip(b'x'))
END
    echo "$output"
    [[ $status -eq 0 && ${#lines[@]} -eq 1 && $(jq -c .policies <<<"$output") == '[]' ]]
}

@test "statistics of many policies are complete in a file" {
    serve "$PORT" accept readall close
    NOTIMEWAIT_STATS=$LOG preload "$(printf 'linger:%d|' {1000..1014})off" act "connect:$PORT" close
    [[ $(jq '.policies|length' "$LOG") -eq 16 && $(jq '[.policies[].connections]|add' "$LOG") -eq 1 ]]
}

# limited BYTES LOG [REDIRECTION]: four connections of a process whose files may not grow further.
limited() {
    # shellcheck disable=SC2016 # the inner shell's
    NOTIMEWAIT_LOG=$2 preload off python3 -c '
import os, resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), int(sys.argv[1])))
os.execv(sys.argv[2], sys.argv[2:])' "$1" "$ACT" loop:4 "connect:$PORT" close end
}

@test "a file that may not grow further holds whole records only; no signal comes" {
    serve "$PORT" loop:12 accept readall close end
    limited 700 "$LOG"
    whole "$LOG" 2
    # The same of stderr, which the program shares with others: with O_APPEND and without.
    limited 700 stderr 2>"$LOG.shared"
    whole "$LOG.shared" 2
    : >"$LOG.append"
    limited 700 stderr 2>>"$LOG.append"
    whole "$LOG.append" 2
}

@test "a program that limits the size of its files by itself gets no signal, either" {
    serve "$PORT" loop:4 accept readall close end
    NOTIMEWAIT_LOG=$LOG run preload off python3 -c '
import resource, signal, socket, sys
signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
resource.setrlimit(resource.RLIMIT_FSIZE, (400, 400))
for i in range(4):
    socket.create_connection(("127.0.0.1", int(sys.argv[1]))).close()' "$PORT"
    echo "status $status: $output"
    [[ $status -eq 0 ]]
    whole "$LOG" 1
}

@test "nor does one that limits it by ulimit() or by a system call's number" {
    local how
    need "${CC:-gcc}"
    cat >"$BATS_TEST_TMPDIR/limits.c" <<'END'
#include <arpa/inet.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <ulimit.h>
#include <unistd.h>
int main(int argc, char **argv)
{
    long none[4] = {0};
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[1]))};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (argc > 2 ? syscall(SYS_prlimit64, 0, RLIMIT_FSIZE, none, 0) : ulimit(UL_SETFSIZE, 0L))
        return 2;
    return connect(fd, (struct sockaddr *)&to, sizeof(to)) || close(fd);
}
END
    "${CC:-gcc}" -w -o "$BATS_TEST_TMPDIR/limits" "$BATS_TEST_TMPDIR/limits.c"
    serve "$PORT" loop:2 accept readall close end
    for how in '' number; do # shellcheck disable=SC2086
        NOTIMEWAIT_LOG=$LOG run preload off "$BATS_TEST_TMPDIR/limits" "$PORT" $how
        echo "$how: status $status"
        [[ $status -eq 0 ]]
    done
}

@test "a child that is forked while another thread writes a record has no fd of ours" {
    need "${CC:-gcc}"
    cat >"$BATS_TEST_TMPDIR/forks.c" <<'END'
#include <arpa/inet.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
static struct sockaddr_in to;
static void *client(void *unused)
{
    for (;;) {
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        connect(fd, (struct sockaddr *)&to, sizeof(to));
        close(fd);
    }
    return unused;
}
int main(int argc, char **argv)
{
    pthread_t thread;
    int status, files = 0, all = atoi(argv[2]);
    (void)argc;
    to = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(atoi(argv[1]))};
    for (int i = 0; i < 2; i++)
        pthread_create(&thread, NULL, client, NULL);
    for (int i = 0; i < all; i++) {
        if (fork() == 0) { /* of the process's own, none but 0 to 2 is for writing alone */
            for (int fd = 3; fd < 40; fd++)
                if ((fcntl(fd, F_GETFL) & O_ACCMODE) == O_WRONLY)
                    _exit(1);
            _exit(0);
        }
        wait(&status);
        files += status != 0;
    }
    printf("%d of %d\n", files, all);
    fflush(stdout);
    _exit(0);
}
END
    "${CC:-gcc}" -w -pthread -o "$BATS_TEST_TMPDIR/forks" "$BATS_TEST_TMPDIR/forks.c"
    serve "$PORT" loop:1000000 accept close end
    NOTIMEWAIT_LOG=$LOG run preload off "$BATS_TEST_TMPDIR/forks" "$PORT" 600 3>&- 4>&-
    echo "$output"
    [[ $status -eq 0 && $output == '0 of 600' && -s $LOG ]]
}

@test "what others append behind a part that is taken back stays" {
    serve "$PORT" loop:4 accept readall close end
    limited 500 "$LOG"
    whole "$LOG" 1
    echo '{"pid":1}' >>"$LOG"
    whole "$LOG" 2
    [[ $(command stat -c %s "$LOG") -eq 510 ]]
}

@test "a full disk holds whole records only, and the next record tells how many were dropped" {
    unshare -m true 2>/dev/null || skip 'no mount namespace'
    serve "$PORT" loop:40 accept readall close end
    local go=$BATS_TEST_TMPDIR/go
    mkdir "$BATS_TEST_TMPDIR/disk"
    # shellcheck disable=SC2016 # the inner shell's
    run timeout 60 unshare -m bash -c '
        set -e
        cd "$1"
        mount -t tmpfs -o size=8k none .
        NOTIMEWAIT_LOG=$1/log LD_PRELOAD=$2 NOTIMEWAIT_POLICY=off "$3" loop:30 "connect:$4" close \
            end "sync:$5.full" "wait-file:$5.more" loop:10 "connect:$4" close end &
        until [[ -e $5.full ]]; do sleep 0.01; done
        [[ $(stat -c %s "$1/log") -eq 8192 ]]
        mount -o remount,size=64k "$1"
        touch "$5.more"
        wait $!
        cp "$1/log" "$6"' _ "$BATS_TEST_TMPDIR/disk" "$LIB" "$ACT" "$PORT" "$go" "$LOG"
    echo "$output"
    [[ $status -eq 0 ]]
    local records dropped
    records=$(grep -c '[^ ]' "$LOG")
    dropped=$(jq -s '[.[].dropped // 0]|add' "$LOG")
    whole "$LOG" "$records"
    [[ $dropped -gt 0 && $((records + dropped)) -eq 40 ]]
}

@test "stderr that is a socket gets one line, if it is of the UNIX domain; never a record" {
    serve "$PORT" loop:2 accept readall close end
    run python3 - "$PORT" "$LIB" "$ACT" <<'END'
import os, socket, subprocess, sys
port, lib, act = sys.argv[1:]
def told(ours, theirs):
    env = dict(os.environ, LD_PRELOAD=lib, NOTIMEWAIT_LOG='stderr', NOTIMEWAIT_POLICY='off')
    p = subprocess.run([act, 'connect:' + port, 'close'], stderr=theirs, env=env, timeout=20)
    theirs.close()
    assert p.returncode == 0
    return ours.recv(65536)
a, b = socket.socketpair()
line = told(a, b)
assert line == (b"libnotimewait: NOTIMEWAIT_LOG: 'stderr' is a socket, to which records are "
                b"not written; policies still apply\n"), line
listener = socket.create_server(('127.0.0.1', 0))
a = socket.create_connection(listener.getsockname())
b = listener.accept()[0]
a.settimeout(20)
line = told(b, a)  # inetd's connection
assert line == b'', line
END
    echo "$output"
    [[ $status -eq 0 ]]
}

@test "a part of a record that cannot be taken back: the next one is on a line of its own" {
    local disk=$BATS_TEST_TMPDIR/disk
    unshare -m true || skip 'no file system can be mounted here'
    mkdir "$disk"
    serve "$PORT" accept readall close accept readall close
    # The last 100 bytes of the disk; without /proc no file is opened once more.
    # shellcheck disable=SC2016 # the inner shell's
    unshare -m bash -c 'mount -t tmpfs -o size=4096 tmpfs "$1" && head -c 3996 /dev/zero >"$1/log" &&
        umount -l /proc && cd "$1" || exit
        LD_PRELOAD=$2 NOTIMEWAIT_LOG=stderr "$3" quiet "connect:$4" close \
            "system:mount -o remount,size=65536 $1" "connect:$4" close 2>>log
        tail -c +3997 log >&3' _ "$disk" "$LIB" "$ACT" "$PORT" 3>"$BATS_TEST_TMPDIR/told"
    cat "$BATS_TEST_TMPDIR/told"
    [[ $(head -n 1 "$BATS_TEST_TMPDIR/told" | wc -c) -eq 101 ]]
    [[ $(tail -n +2 "$BATS_TEST_TMPDIR/told" | jq -r '[.via, .dropped] | join(" ")') == 'close 1' ]]
}

@test "C1 control characters are escaped in records and in messages" {
    local program=$BATS_TEST_TMPDIR/$'a\xc2\x9b31mb\x9bcé\xc2\xa0'
    cp "$ACT" "$program"
    serve "$PORT" accept readall close
    NOTIMEWAIT_LOG=$LOG preload off "$program" "connect:$PORT" close
    grep -aF 'a\u009b31mb\u009bcé' "$LOG"
    run ! env LC_ALL=C grep -aP '\xc2[\x80-\x9f]|[^\xc2\xc3]\x9b' "$LOG"
    NOTIMEWAIT_LOG=$BATS_TEST_TMPDIR/none/$'a\xc2\x9bb\x9bcé' run preload off act say:x
    echo "$output"
    [[ ${lines[0]} == *"/none/a?b?cé' cannot be opened"* ]]
}

@test "a terminal that nobody reads: no close waits, and records that fit are whole" {
    need python3
    serve "$PORT" loop:400 accept readall close end
    run env LD_PRELOAD= python3 - "$LIB" "$ACT" "$PORT" <<'END'
import json, os, pty, subprocess, sys
library, act, port = sys.argv[1:]
ours, theirs = pty.openpty()
env = dict(os.environ, LD_PRELOAD=library, NOTIMEWAIT_LOG="stderr", NOTIMEWAIT_POLICY="off")
client = subprocess.run([act, "quiet", "loop:400", "connect:" + port, "close", "end"], env=env,
                        stderr=theirs, timeout=60)
os.set_blocking(ours, False)
lines = b""
try:
    while piece := os.read(ours, 65536):
        lines += piece
except BlockingIOError:
    pass
lines = lines.decode().split("\r\n")
print(client.returncode, "some" if len(lines) > 3 else "none",
      all(json.loads(line)["via"] == "close" for line in lines[:-1]))
END
    echo "$status $output"
    [[ $output == '0 some True' ]]
}
