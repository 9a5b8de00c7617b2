#!/usr/bin/env bats
# Another library beside ours has a syscall() of its own: ours are not among what it sees.

load ../lib/helper
load ../lib/host
load ../lib/recycling
load ../lib/builds

# Tells what it sees, and lets nothing of it through.
other_syscall() {
    compile other.so <<-'C'
	#include "host.h"
	long syscall(long number, ...)
	{
	    dprintf(2, "syscall %ld\n", number);
	    errno = ENOSYS;
	    return -1;
	}
	C
}

@test "another library's syscall(), before or after us, sees none of our calls" {
    other_syscall
    local policy order action
    for order in "$LIB:$BATS_TEST_TMPDIR/other.so" "$BATS_TEST_TMPDIR/other.so:$LIB"; do
        for policy in auto fin-rst abort drain drain-eof:50 last-read delay:20; do
            new_port
            serve "$PORT" accept write:500 readall close
            run beside "$order" "$policy" act "connect:$PORT" wait-unread:500 write:100 wait-acked close
            echo "$order, $policy: $output"
            [[ $status -eq 0 && $output != *syscall* ]]
            case $policy in
            auto | last-read | drain-eof:50) action=none ;;
            fin-rst) action=fin-rst ;;
            *) action=rst ;;
            esac
            [ "$(logged)" = "close $action" ]
        done
        ports 10
        new_port
        serve "$PORT" quiet loop:30 accept readall close end
        run beside "$order" auto act loop:30 "connect:$PORT" write:100 close end
        [[ $status -eq 0 && $output != *syscall* ]]
        [ "$(jq -r .recycled "$LOG" | sort | uniq -c | xargs)" = '10 false 20 true' ]
    done
}

@test "the program's own calls by number go on to the other library's syscall()" {
    other_syscall
    compile own <<-'C'
	#include "host.h"
	#include <sys/syscall.h>
	int main(void)
	{
	    int fd = dial();
	    REQUIRE(syscall(SYS_close, fd) == -1 && errno == ENOSYS);
	    return close(fd);
	}
	C
    local policy
    for policy in off auto fin-rst; do
        new_port
        readers 1
        run beside "$LIB:$BATS_TEST_TMPDIR/other.so" "$policy" "$BATS_TEST_TMPDIR/own"
        echo "$policy: $output"
        [[ "$status $output" =~ ^"0 syscall "[0-9]+$ ]]
        [ "$(was_read)" = '0 EOF' ]
    done
}

@test "torsocks, before or after us" {
    not_sanitized
    local torsocks order policy
    torsocks=$(compgen -G '/usr/lib/*/torsocks/libtorsocks.so')
    printf 'TorAddress 127.0.0.1\nTorPort 1\nAllowOutboundLocalhost 2\n' >"$BATS_TEST_TMPDIR/conf"
    export TORSOCKS_CONF_FILE=$BATS_TEST_TMPDIR/conf
    for order in "$LIB:$torsocks" "$torsocks:$LIB"; do
        for policy in auto fin-rst drain; do
            new_port
            serve "$PORT" accept write:500 readall close
            run beside "$order" "$policy" act "connect:$PORT" wait-unread:500 write:100 close
            echo "$order, $policy: $output"
            # Its configuration, which its own environment names, lets it connect.
            [ "$status $output" = $'0 connect 0\nwait-unread 500\nwrite 100\nclose 0' ]
        done
    done
}

@test "32 bits: a connection that socketcall(2) passes on by number is not reset" {
    local dir
    build32 ./tests/act
    runs32 "$dir/tests/act" say:x
    compile passer -m32 <<-'C'
	#include "host.h"
	#include <linux/net.h>
	#include <sys/syscall.h>
	int main(void)
	{
	    int copy, pair[2], fd = dial();
	    char byte = 1, control[CMSG_SPACE(sizeof(fd))] = {0};
	    struct iovec iov = {&byte, 1};
	    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
	                         .msg_controllen = sizeof(control)};
	    struct cmsghdr *rights = CMSG_FIRSTHDR(&msg);
	    put(fd, 1000);
	    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
	    *rights = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof(fd)), .cmsg_level = SOL_SOCKET,
	                               .cmsg_type = SCM_RIGHTS};
	    memcpy(CMSG_DATA(rights), &fd, sizeof(fd));
	    REQUIRE(syscall(SYS_socketcall, SYS_SENDMSG, (long[]){pair[0], (long)&msg, 0}) == 1);
	    REQUIRE(syscall(SYS_socketcall, SYS_RECVMSG, (long[]){pair[1], (long)&msg, 0}) == 1);
	    memcpy(&copy, CMSG_DATA(rights), sizeof(copy));
	    REQUIRE(close(fd) == 0);
	    put(copy, 1000);
	    return close(copy);
	}
	C
    readers 1
    run beside "$dir/libnotimewait.so" abort "$BATS_TEST_TMPDIR/passer"
    echo "$output $(logged)"
    [[ $status -eq 0 && $(was_read) == '2000 EOF' ]]
}

@test "by number: close_range and clone that part our table of fds, and clone3, leave copies whole" {
    compile parted <<-'C'
	#include "host.h"
	#include <linux/sched.h>
	#include <pthread.h>
	#include <sched.h>
	#include <signal.h>
	#include <sys/syscall.h>
	#include <sys/wait.h>
	static int fd, parted[2], closed[2];
	/* Of a table of its own, which has the connection, too. */
	static void copy_goes_on(void)
	{
	    char byte;
	    REQUIRE(write(parted[1], "", 1) == 1 && read(closed[0], &byte, 1) == 1);
	    put(fd, 1000);
	}
	static void *thread_parts(void *argument)
	{
	    REQUIRE(syscall(SYS_close_range, 1000, 1001, 2 /* CLOSE_RANGE_UNSHARE */) == 0);
	    copy_goes_on();
	    close(fd);
	    return argument;
	}
	static void child_parts(void)
	{
	    syscall(SYS_unshare, CLONE_FILES);
	    copy_goes_on();
	    syscall(SYS_exit_group, 0);
	}
	int main(int argc, char **argv)
	{
	    const char *way = argv[argc - 1];
	    struct clone_args args = {.flags = CLONE_FILES, .exit_signal = SIGCHLD};
	    pthread_t thread;
	    char byte;
	    long pid = -1;
	    REQUIRE(syscall(SYS_clone3, NULL, 0) == -1); /* a probe, which changes nothing */
	    REQUIRE(pipe(parted) == 0 && pipe(closed) == 0);
	    if (strcmp(way, "none") == 0) {
	        fd = dial();
	        put(fd, 1000);
	        return close(fd);
	    }
	    fd = dial();
	    put(fd, 1000);
	    if (strcmp(way, "close_range") == 0)
	        REQUIRE(pthread_create(&thread, NULL, thread_parts, NULL) == 0);
	    else
	        pid = strcmp(way, "clone3") == 0 ? syscall(SYS_clone3, &args, sizeof(args))
	                                         : syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0);
	    if (pid == 0)
	        child_parts();
	    REQUIRE(read(parted[0], &byte, 1) == 1);
	    /* What is made now is in one table, but nobody tells so: plain, too. */
	    int later = dial();
	    put(later, 1000);
	    REQUIRE(close(later) == 0 && close(fd) == 0);
	    REQUIRE(write(closed[1], "", 1) == 1);
	    if (pid > 0)
	        REQUIRE(waitpid((pid_t)pid, NULL, 0) == pid);
	    else
	        pthread_join(thread, NULL);
	    return 0;
	}
	C
    local way
    new_port
    readers 1
    run beside "$LIB" abort "$BATS_TEST_TMPDIR/parted" none
    [[ $status -eq 0 && $(logged) == 'close rst' ]]
    finish server || true
    for way in close_range clone3 clone; do
        new_port
        readers 2
        run beside "$LIB" abort "$BATS_TEST_TMPDIR/parted" $way
        echo "$way: $status $output; $(logged)"
        [[ $status -eq 0 && $(was_read) == $'2000 EOF\n1000 EOF' ]]
    done
}

@test "by number: a child that clone makes in our memory ends none of our connections" {
    [[ $(uname -m) == x86_64 ]] || skip 'the child begins on a stack that only this machine has'
    compile beside <<-'C'
	#include "host.h"
	#include <sched.h>
	#include <signal.h>
	#include <sys/syscall.h>
	#include <sys/wait.h>
	static int fd;
	static volatile _Bool go;
	static void child(void)
	{
	    while (!go)
	        syscall(SYS_sched_yield);
	    close(fd);
	    syscall(SYS_exit, 0);
	}
	int main(int argc, char **argv)
	{
	    static char stack[1 << 16] __attribute__((aligned(16)));
	    void **top = (void **)(void *)(stack + sizeof(stack) - 16);
	    long pid;
	    (void)argv;
	    *top = (void *)child; /* which syscall() returns to */
	    fd = dial();
	    if (argc > 1) {
	        struct {
	            unsigned long flags, pidfd, child, parent, signal, stack, size, tls;
	        } args = {.flags = CLONE_VM, .signal = SIGCHLD, .stack = (unsigned long)stack,
	                  .size = sizeof(stack) - 16};
	        pid = syscall(SYS_clone3, &args, sizeof(args));
	    } else {
	        pid = syscall(SYS_clone, (long)(CLONE_VM | SIGCHLD), top, 0L, 0L, 0L);
	    }
	    REQUIRE(pid > 0);
	    close(dial()); /* a call that is ours: in this process */
	    go = 1;
	    REQUIRE(waitpid((pid_t)pid, NULL, 0) == pid);
	    put(fd, 1000);
	    return close(fd);
	}
	C
    local way
    for way in '' clone3; do
        new_port
        readers 2
        # shellcheck disable=SC2086 # no word is none
        run beside "$LIB" fin-rst "$BATS_TEST_TMPDIR/beside" $way
        echo "clone, $way: $status $output"
        [[ $status -eq 0 && $(json '.last_op' "$LOG") == $'none\nwrite' ]]
        finish server || true
    done
}
