#!/usr/bin/env bats
# Copies of an fd in the same process, and fds that were closed behind the library's back: under
# every policy every byte arrives, and what is shared gets a plain close, or fin-rst under that.
# shellcheck disable=SC2154 # each_policy sets policy

load ../lib/helper
load ../lib/each-policy
load ../lib/holders

share_cpu

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
    new_port
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
        new_port
    done
}

@test "a socket that nobody saw being born, on the fd of a stale entry, meets no lever" {
    # On a busy machine the peer's FIN is sent twice, the second ACK of it meets no socket any
    # more, and the RST for that would remove the TIME_WAIT entry, which is what is counted.
    echo 1 >/proc/sys/net/ipv4/tcp_rfc1337
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
	    r |= argc > 2 ? close_range(900, 900, CLOSE_RANGE_UNSHARE) || close(fd)
	                  : close_range(fd, fd, CLOSE_RANGE_UNSHARE);
	    closed = 1;
	    for (int i = 0; i < 2000 && !done; i++)
	        usleep(5000);
	    printf("%d %ld %ld\n", r, total, last);
	    return 0;
	}
	C
    gcc -o "$BATS_TEST_TMPDIR/cloned" "$BATS_TEST_TMPDIR/cloned.c"
    cloned() {
        serve "$PORT" accept writen:100000 shutdown:wr readall close
        [ "$(preload "$policy" "$BATS_TEST_TMPDIR/cloned" "$PORT" "$@")" = '0 100000 0' ]
        finish server | grep -x 'readall 0 EOF'
    }
    ONLY='off auto fin-rst last-read drain:50 abort' each_policy cloned
    ONLY=abort each_policy cloned 'close() after close_range() of others'
}
