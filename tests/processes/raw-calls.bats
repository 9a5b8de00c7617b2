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
