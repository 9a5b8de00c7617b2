#!/usr/bin/env bats
# Who holds a socket: copies, children, other processes and stale entries. Under every policy
# every byte arrives, whoever closes first, and what is shared gets a plain close, or fin-rst
# under that.

load ../lib/helper
load ../lib/each-policy

MIB=1048576
policy=off # each_policy sets it

# reader [N]: the plain server of N connections; it reads slowly, so that a close finds unsent
# data.
reader() {
    local steps=() i
    rm -f "$LOG" "$BATS_TEST_TMPDIR/go"
    for ((i = 0; i < ${1-1}; i++)); do
        steps+=(accept readslow:65536:1 close)
    done
    serve "$PORT" "${steps[@]}"
}

# holder STEP...: the act that shares a connection, under the library.
holder() {
    NOTIMEWAIT_LOG=$LOG preload "$policy" act "$@" >"$BATS_TEST_TMPDIR/held"
}

# delivered BYTES [END]: the reader has got them all, and EOF (or END, a pattern) after them.
delivered() {
    finish server >"$BATS_TEST_TMPDIR/read" || true
    grep -Ex "readslow $1 (${2-EOF})" "$BATS_TEST_TMPDIR/read" && return
    cat "$BATS_TEST_TMPDIR/read"
    return 1
}

# shared_only: the log has no lever but fin-rst's own; where abort closes, it says why.
shared_only() {
    local wanted='^[a-z_0-9]+ none '
    case $policy in
    fin-rst) wanted='^[a-z_0-9]+ (none|fin-rst) ' ;;
    abort) wanted='^exit none |^[a-z_0-9]+ none shared$' ;;
    esac
    if logged via action reason | grep -Ev "$wanted"; then return 1; fi
}

# --- copies in the same process ---

copy() {
    reader
    holder "connect:$PORT" "$@" write:1000 close getlinger@b writen:400000@b close@b
    grep -x 'getlinger 0:0' "$BATS_TEST_TMPDIR/held"
    delivered 401000
    [ "$(logged via last_op)" = 'close write' ]
    shared_only
}

@test "closing one of two fds is no end" {
    each_policy copy dup:b
    for verb in fcntl-dupfd fcntl64-dupfd fcntl-dupfd-cloexec; do
        ONLY='fin-rst abort' each_policy copy "$verb:b"
    done
}

@test "dup2 and dup3 make copies, too" {
    ONLY='fin-rst abort' each_policy copy dup2:500:b
    ONLY='fin-rst abort' each_policy copy fd:501@b dup3:501
}

# The connection's last operation is its last by any fd.
last_op_by_copy() {
    serve "$PORT" accept write:5 "wait-file:$BATS_TEST_TMPDIR/go" readall
    NOTIMEWAIT_LOG=$LOG preload last-read act "connect:$PORT" dup:b "$@" \
        "sync:$BATS_TEST_TMPDIR/go"
    finish server
    logged last_op action reason
}

@test "the last operation is the last by any of them" {
    [[ $(last_op_by_copy write:3 close readn:5@b close@b) == *$'\nread none shared' ]]
    PORT=$(port)
    rm -f "$LOG" "$BATS_TEST_TMPDIR/go"
    [[ $(last_op_by_copy readn:5@b close@b write:3 close) == *$'\nwrite none not-read-last' ]]
}

@test "dup2 of a copy over the other copy is no end" {
    copy_over_copy() {
        reader
        holder "connect:$PORT" dup:b write:1000 dup2:a@b close@b writen:400000 close
        delivered 401000
        [ "$(logged via last_op)" = 'close write' ]
    }
    each_policy copy_over_copy
}

# --- children ---

forked() {
    reader
    holder "connect:$PORT" "$@"
    delivered "$MIB"
    shared_only
}

@test "fork: the parent closes at once, the child serves and exits" {
    each_policy forked fork "writen:$MIB" end close wait
    ONLY='fin-rst abort' each_policy forked fork:_Fork "writen:$MIB" end close wait
}

@test "fork: the child closes at once, the parent serves" {
    each_policy forked fork close end "writen:$MIB" close wait
    ONLY='fin-rst abort' each_policy forked fork:_Fork close end "writen:$MIB" close wait
}

@test "fork: the child exits without a close, the parent serves" {
    each_policy forked fork exit end "writen:$MIB" close wait
}

@test "fork: a server's child serves, and is killed when it is done" {
    served() {
        rm -f "$LOG"
        NOTIMEWAIT_LOG=$LOG serve_preload "$policy" "$PORT" accept fork "writen:$MIB" \
            wait-acked kill:KILL end close wait
        run act "connect:$PORT" readslow:65536:1
        [ "${lines[1]}" = "readslow $MIB EOF" ]
        finish server
        shared_only
    }
    each_policy served
}

@test "fork: a server's parent closes at once, its child serves and calls _exit" {
    forking_server() {
        rm -f "$LOG"
        NOTIMEWAIT_LOG=$LOG serve_preload "$policy" "$PORT" accept fork "writen:$MIB" _exit end \
            close wait
        run act "connect:$PORT" readslow:65536:1
        [ "${lines[1]}" = "readslow $MIB EOF" ]
        finish server
        shared_only
    }
    each_policy forking_server
}

# python_server: under $policy; its child is another program, which the library is not preloaded into.
python_server() {
    rm -f "$LOG"
    NOTIMEWAIT_LOG=$LOG start server preload "$policy" python3 "$BATS_TEST_TMPDIR/server.py" \
        "$PORT" "$MIB"
    wait_output server '^listen'
    run act "connect:$PORT" readslow:65536:1
    [ "${lines[1]}" = "readslow $MIB EOF" ]
    finish server
    shared_only
}

@test "fork, exec: a server's parent closes at once, a program without the library serves" {
    need python3
    cat >"$BATS_TEST_TMPDIR/server.py" <<-'PYTHON'
	import os, socket, sys
	listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
	print("listen", flush=True)
	connection, _ = listener.accept()
	pid = os.fork()
	if pid == 0:
	    del os.environ["LD_PRELOAD"]
	    os.dup2(connection.fileno(), 1)
	    os.execvp("head", ["head", "-c", sys.argv[2], "/dev/zero"])
	connection.close()
	sys.exit(os.waitpid(pid, 0)[1])
	PYTHON
    each_policy python_server
}

@test "fork, system, posix_spawn, vfork: a client's helpers come and go while it sends" {
    helpers() {
        reader
        holder "connect:$PORT" fork exit end wait writen:200000 system:true writen:200000 \
            spawn:true wait writen:200000 vfork-close writen:200000 fork:_Fork close exit end \
            writen:200000 close wait
        delivered 1000000
        shared_only
    }
    each_policy helpers
}

@test "fork: what the child connects itself is its own" {
    own() {
        reader 2
        holder "connect:$PORT" fork "connect:$PORT@b" writen:1000@b wait-acked@b close@b end \
            wait writen:2000 close
        delivered 1000 'EOF|ECONNRESET'
        delivered 2000
        if [[ $policy == abort ]]; then
            [ "$(logged action reason)" = $'rst abort\nnone shared' ]
        fi
    }
    each_policy own
}

@test "a raw fork's child closes without any effect on its parent's connection" {
    raw() {
        reader
        holder "connect:$PORT" open:/dev/null@b fork:raw "$@" end wait "writen:$MIB" \
            wait-acked close
        delivered "$MIB" 'EOF|ECONNRESET'
        [ "$(logged via last_op)" = 'close write' ]
    }
    each_policy raw close
    for step in dup2:a@b dup3:a@b close_range:fd:fd closefrom:fd linger:0:0 exit; do
        ONLY='fin-rst abort' each_policy raw "$step"
    done
}

@test "a raw fork's child serves under auto and fin-rst" {
    kernel_carries() {
        reader
        holder "connect:$PORT" fork:raw "writen:$MIB" end close wait
        delivered "$MIB"
    }
    ONLY='auto fin-rst' each_policy kernel_carries
}

@test "vfork: the child's close has no effect on its parent's connection" {
    vforked() {
        reader
        holder "connect:$PORT" vfork-close getlinger write:1000 "writen:$MIB" close
        grep -x 'getlinger 0:0' "$BATS_TEST_TMPDIR/held"
        delivered $((MIB + 1000))
        [ "$(logged via last_op)" = 'close write' ]
        shared_only
    }
    each_policy vforked
}

@test "vfork: the child's program writes to the socket that its parent has closed" {
    need python3
    cat >"$BATS_TEST_TMPDIR/popen.py" <<-'PYTHON'
	import socket, subprocess, sys
	s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
	child = subprocess.Popen(["sh", "-c", "read x; head -c 300000 /dev/zero"],
	                         stdin=subprocess.PIPE, stdout=s)
	s.close()
	child.communicate(b"go\n")
	PYTHON
    popen() {
        reader
        NOTIMEWAIT_LOG=$LOG preload "$policy" python3 "$BATS_TEST_TMPDIR/popen.py" "$PORT"
        delivered 300000
        shared_only
    }
    each_policy popen
}

@test "vfork, fork: Python's children close every fd while their parent sends" {
    need python3
    cat >"$BATS_TEST_TMPDIR/children.py" <<-'PYTHON'
	import os, socket, subprocess, sys
	s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
	os.set_inheritable(s.fileno(), True)
	for options in {}, {"preexec_fn": os.getpid}:  # by vfork(), and by fork()
	    s.sendall(bytes(200000))
	    subprocess.run(["test", "!", "-e", f"/proc/self/fd/{s.fileno()}"], close_fds=True,
	                   check=True, **options)
	s.sendall(bytes(200000))
	s.close()
	PYTHON
    children() {
        reader
        NOTIMEWAIT_LOG=$LOG preload "$policy" python3 "$BATS_TEST_TMPDIR/children.py" "$PORT"
        delivered 600000
        shared_only
    }
    each_policy children
}

# The child waits until its parent has closed the socket.
outlives() {
    reader
    holder "connect:$PORT" "$1:\"\$ACT\" quiet inherit wait-file:$BATS_TEST_TMPDIR/go \
        writen:400000 ${2-}" close "sync:$BATS_TEST_TMPDIR/go" wait
    delivered 400000
    shared_only
}

@test "posix_spawn: a child that holds the socket serves after its parent's close" {
    each_policy outlives spawn
}

@test "system: a child that holds the socket serves after its parent's close" {
    each_policy outlives system '&'
}

@test "system: a child that has ended leaves the socket shared, and harmless" {
    ended() {
        reader
        holder "connect:$PORT" system:true "writen:$MIB" close
        delivered "$MIB"
        shared_only
    }
    each_policy ended
}

# --- passed through a unix socket ---

# The child of a fork before the connection receives it; or passes it.
passed() {
    reader
    holder socketpair:q use:b fork recvfd:q "wait-file:$BATS_TEST_TMPDIR/go" writen:400000 end \
        use:c "connect:$PORT" sendfd:a"$1" close "sync:$BATS_TEST_TMPDIR/go" wait
    delivered 400000
    shared_only
}

@test "SCM_RIGHTS: the receiver serves after the sender's close" {
    each_policy passed ''
    ONLY='fin-rst abort' each_policy passed :mmsg
}

@test "SCM_RIGHTS: the sender serves after the receiver's close" {
    sender_serves() {
        reader
        holder socketpair:q use:b fork recvfd:q close end use:c "connect:$PORT" sendfd:a wait \
            "writen:$MIB" close
        delivered "$MIB"
        shared_only
    }
    each_policy sender_serves
}

@test "SCM_RIGHTS: a child passes its own connection to its parent" {
    child_passes() {
        reader
        holder socketpair:q use:b fork "connect:$PORT" sendfd:q close end recvfd:a wait \
            "writen:$MIB" close
        delivered "$MIB"
        shared_only
    }
    each_policy child_passes
}

@test "SCM_RIGHTS: an fd received in place of a closed connection is not taken for it" {
    in_place() {
        reader 2
        # The number of the first is received for the second, which belongs to the child, too.
        holder socketpair:q use:b fork "connect:$PORT" sendfd:q "wait-file:$BATS_TEST_TMPDIR/go" \
            "writen:400000" end use:c "connect:$PORT" write:1000 close-raw recvfd:a close \
            "sync:$BATS_TEST_TMPDIR/go" wait
        delivered 1000
        delivered 400000
        [ "$(logged via)" = exit ] # the child's
    }
    each_policy in_place
}

# --- inherited ---

# A server's connection becomes fds 0 and 1 of the program that it executes.
inetd() {
    rm -f "$LOG" "$BATS_TEST_TMPDIR/go"
    NOTIMEWAIT_LOG=$LOG serve_preload "$policy" "$PORT" accept quiet dup2:0 dup2:1 close \
        "exec:$1" "${@:2}"
}

@test "inetd: a program that knows only fds 0 and 1 gets and sends all" {
    cat_echoes() {
        inetd cat
        run act "connect:$PORT" "writen:300000" shutdown:wr readslow:65536:1
        [ "${lines[3]}" = 'readslow 300000 EOF' ]
        finish server
        shared_only
        [ "$(logged program fd role)" = 'cat 1 unknown' ]
    }
    each_policy cat_echoes
}

@test "inetd: the close of fd 0 is no end while fd 1 is open" {
    two_fds() {
        inetd "$ACT" quiet fd:0 readn:4 writen:100000 close "sync:$BATS_TEST_TMPDIR/go" fd:1 \
            writen:200000 close
        run act "connect:$PORT" write:4 readslow:65536:1
        [ "${lines[2]}" = 'readslow 300000 EOF' ]
        finish server
        [ "$(logged via fd last_op role)" = 'close 1 write unknown' ]
        shared_only
    }
    each_policy two_fds
}

@test "inetd: exit leaves no TIME_WAIT under fin-rst" {
    no_time_wait() {
        inetd "$ACT" quiet fd:0 readn:4 writen:300000
        run act "connect:$PORT" write:4 readall close
        [ "${lines[2]}" = 'readall 300000 EOF' ]
        finish server
        settle "$PORT"
        [ -z "$(states "$PORT")" ]
        [ "$(logged via action reason)" = 'exit fin-rst exit' ]
    }
    ONLY=fin-rst each_policy no_time_wait
}

# systemd's way: fd 3, named in the environment. $1 is the pid it is meant for, as sh has it.
listen_fds() {
    rm -f "$LOG"
    NOTIMEWAIT_LOG=$LOG serve_preload "$policy" "$PORT" accept quiet dup2:3 exec:sh -c \
        "LISTEN_FDS=1 LISTEN_PID=$1 exec \"\$0\" \"\$@\"" "$ACT" fd:3 writen:400000 close
    run act "connect:$PORT" readslow:65536:1
    [ "${lines[1]}" = 'readslow 400000 EOF' ]
    finish server
}

@test "LISTEN_FDS: a connection that is passed is known, and shared" {
    known() {
        # shellcheck disable=SC2016 # for sh
        listen_fds '$$'
        [ "$(logged via fd role)" = 'close 3 unknown' ]
        shared_only
    }
    each_policy known
}

@test "LISTEN_FDS for another process is not looked at" {
    unknown() {
        listen_fds 1
        [ -z "$(logged via)" ]
    }
    each_policy unknown
}

@test "LISTEN_FDS: what a passed listener accepts is its process's own" {
    accepted() {
        rm -f "$LOG"
        # shellcheck disable=SC2016 # for sh
        NOTIMEWAIT_LOG=$LOG serve_preload "$policy" "$PORT" dup2:3@l exec:sh -c \
            'LISTEN_FDS=1 LISTEN_PID=$$ exec "$0" "$@"' "$ACT" fd:3@l accept writen:1000 \
            wait-acked getlinger close
        run act "connect:$PORT" readslow:65536:1
        [[ ${lines[1]} =~ ^'readslow 1000 '(EOF|ECONNRESET)$ ]]
        finish server | grep -x 'getlinger 0:0'
        [ "$(logged via role)" = 'close server' ]
        if [[ $policy == abort ]]; then
            [ "$(logged action reason)" = 'rst abort' ]
        fi
    }
    each_policy accepted
}

# --- fds closed behind the library's back ---

@test "a new connection on the fd of one that was closed unseen" {
    reused() {
        reader 2
        holder "connect:$PORT" write:1000 close-raw "connect:$PORT" sockname writen:400000 \
            wait-acked close
        delivered 1000
        delivered 400000 'EOF|ECONNRESET'
        [ "$(logged local)" = "$(sed -n 's/^sockname //p' "$BATS_TEST_TMPDIR/held")" ]
        if [[ $policy == abort ]]; then
            [ "$(logged action reason)" = 'rst abort' ]
        fi
    }
    each_policy reused
}

@test "a file on the fd of a connection that was closed unseen" {
    to_file() {
        rm -f "$BATS_TEST_TMPDIR/file"
        reader
        holder "connect:$PORT" write:1000 close-raw "open:$BATS_TEST_TMPDIR/file" write:500 \
            dup:b close write:500@b "$@"
        delivered 1000
        [ "$(stat -c %s "$BATS_TEST_TMPDIR/file")" -eq 1000 ]
        [ -z "$(logged via)" ]
    }
    each_policy to_file close@b
    ONLY='fin-rst abort' each_policy to_file close_range:b:b
    ONLY='fin-rst abort' each_policy to_file exit
}

# stale LOG HOW: another socket, unseen as well, is on the fd (the program `stale` does it).
stale() {
    rm -f "$LOG"
    serve "$PORT" accept readall close accept readslow:65536:1 close
    NOTIMEWAIT_LOG=$1 preload "$policy" "$BUILD/tests/stale" "$PORT" "$2"
}

# unseen LOG HOW...: it ends as a plain close does.
unseen() {
    local how log=$1
    shift
    for how; do
        echo "$how:"
        stale "$log" "$how"
        delivered 300000
        settle "$PORT"
        states "$PORT"
        case $policy in
        fin-rst) [ "$(time_wait_client "$PORT")" -eq 1 ] ;; # the first was armed
        *) [ "$(time_wait_client "$PORT")" -eq 2 ] ;;
        esac
        [ -z "$(logged via)" ]
        PORT=$(port)
    done
}

@test "a socket that nobody saw being born, on the fd of a stale entry, meets no lever" {
    each_policy unseen '' close dup2 fclose close_range
    ONLY='fin-rst abort' each_policy unseen "$LOG" close dup2 dup3 fclose freopen close_range \
        closefrom dup exit
}

@test "a stale entry does not make setsockopt change another socket" {
    options() {
        stale "$LOG" setsockopt >"$BATS_TEST_TMPDIR/options"
        delivered 300000
        grep -x 'TCP_LINGER2 7' "$BATS_TEST_TMPDIR/options"
    }
    each_policy options
}

@test "a stale entry does not keep another connection from being armed" {
    armed() {
        stale '' connect
        delivered 300000
        settle "$PORT"
        # The first was closed unseen, and was armed; the second was connected by libc's call.
        [ "$(time_wait_client "$PORT")" -eq 0 ]
    }
    ONLY=fin-rst each_policy armed
}

# A thread that libc knows nothing of keeps the fds that close_range() leaves to it.
@test "close_range that unshares, beside a thread made by clone(): the thread reads all" {
    cat >"$BATS_TEST_TMPDIR/cloned.c" <<-'C'
	#define _GNU_SOURCE
	#include <linux/close_range.h>
	#include <netinet/in.h>
	#include <sched.h>
	#include <stdio.h>
	#include <stdlib.h>
	#include <sys/syscall.h>
	#include <unistd.h>
	static volatile int closed, done;
	static int fd;
	static long total, last;
	static char stack[65536], buffer[1000];
	static int read_on(void *unused)
	{
	    (void)unused;
	    while (!closed)
	        usleep(1000);
	    while ((last = syscall(SYS_read, fd, buffer, sizeof buffer)) > 0)
	        total += last;
	    done = 1;
	    return (int)syscall(SYS_exit, 0);
	}
	int main(int argc, char **argv)
	{
	    struct sockaddr_in server = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[1]))};
	    fd = socket(AF_INET, SOCK_STREAM, 0);
	    int r = connect(fd, (struct sockaddr *)&server, sizeof server);
	    r |= clone(read_on, stack + sizeof stack, CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND |
	               CLONE_THREAD | CLONE_SYSVSEM, NULL) < 0;
	    r |= recv(fd, buffer, 1, MSG_PEEK) != 1; /* what comes is unread now */
	    r |= close_range(fd, fd, CLOSE_RANGE_UNSHARE);
	    closed = 1;
	    for (int i = 0; i < 2000 && !done; i++)
	        usleep(5000);
	    printf("%d %ld %ld\n", r, total, last);
	    return argc != 2;
	}
	C
    gcc -o "$BATS_TEST_TMPDIR/cloned" "$BATS_TEST_TMPDIR/cloned.c"
    cloned() {
        serve "$PORT" accept writen:100000 shutdown:wr readall close
        [ "$(preload "$policy" "$BATS_TEST_TMPDIR/cloned" "$PORT")" = '0 100000 0' ]
        finish server | grep -x 'readall 0 EOF'
    }
    ONLY='off auto fin-rst last-read drain:50 abort' each_policy cloned
}
