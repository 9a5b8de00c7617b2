#!/usr/bin/env bats
# Copies that no hook of ours sees, or that are made while a close takes its time: in a table of fds
# that another process shares, or a thread of its own has; by io_uring. What is written to them
# arrives.

load ../lib/helper
load ../lib/host

# A child with the same table of fds, and with $VM the same memory, copies the connection, which
# is closed then, and writes to its copy.
@test "a process that shares the table of fds copies a connection: what it writes arrives" {
    compile sharer <<-'C'
	#include "host.h"
	#include <sched.h>
	#include <signal.h>
	#include <sys/mman.h>
	#include <sys/wait.h>
	static volatile int *fds; /* the connection, its copy, and whether the first is closed */
	static int child(void *unused)
	{
	    (void)unused;
	    while (!fds[0])
	        usleep(1000);
	    int copy = dup(fds[0]);
	    fds[1] = copy;
	    while (!fds[2])
	        usleep(1000);
	    put(copy, 100000);
	    close(copy);
	    _exit(0);
	}
	int main(void)
	{
	    static char stack[65536] __attribute__((aligned(16)));
	    int flags = CLONE_FILES | SIGCHLD | (*getenv("VM") ? CLONE_VM : 0);
	    fds = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	    int pid = clone(child, stack + sizeof(stack), flags, NULL);
	    int fd = dial();
	    put(fd, 1000);
	    fds[0] = fd;
	    while (!fds[1])
	        usleep(1000);
	    REQUIRE(close(fd) == 0);
	    fds[2] = 1;
	    return waitpid(pid, NULL, 0) != pid;
	}
	C
    for policy in abort delay:0 drain last-read; do
        for vm in '' 1; do
            new_port
            readers 1
            VM=$vm run beside "$LIB" "$policy" "$BATS_TEST_TMPDIR/sharer"
            echo "$policy $vm: $output"
            [[ $status -eq 0 && $(was_read) == '101000 EOF' ]]
        done
    done
}

@test "a thread parts from the table of fds, and has a connection of its own at the same number" {
    compile parted <<-'C'
	#include "host.h"
	#include <pthread.h>
	#include <sched.h>
	static int fd, copy;
	static volatile int step;
	static void *part(void *unused)
	{
	    REQUIRE(unshare(CLONE_FILES) == 0);
	    REQUIRE(close(fd) == 0);
	    int other = dial();
	    REQUIRE(other == fd);
	    step = 1;
	    while (step != 2)
	        usleep(1000);
	    put(other, 1000);
	    close(other);
	    return unused;
	}
	int main(void)
	{
	    char bytes[2000];
	    pthread_t thread;
	    fd = dial();
	    REQUIRE((copy = dup(fd)) >= 0);
	    REQUIRE(recv(fd, bytes, 1, MSG_PEEK) == 1); /* what the server says has come */
	    REQUIRE(pthread_create(&thread, NULL, part, NULL) == 0);
	    while (step != 1)
	        usleep(1000);
	    REQUIRE(close(fd) == 0);
	    printf("%zd bytes\n", recv(copy, bytes, sizeof(bytes), MSG_DONTWAIT));
	    close(copy);
	    step = 2;
	    return pthread_join(thread, NULL);
	}
	C
    for policy in fin-rst abort; do
        new_port
        serve "$PORT" accept@b write:1000@b accept@c readall@c close@c close@b
        run beside "$LIB" "$policy" "$BATS_TEST_TMPDIR/parted"
        echo "$policy: $output"
        [[ $status -eq 0 && $output == '1000 bytes' ]]
        [[ $(was_read) == '1000 EOF' ]] || [[ $policy == abort && $(was_read) == '1000 '* ]]
    done
}

@test "a connection is registered with io_uring, and goes on without its fd" {
    compile ring <<-'C'
	#include "host.h"
	#include <linux/io_uring.h>
	#include <sys/mman.h>
	#include <sys/syscall.h>
	int main(void)
	{
	    static char bytes[100000];
	    struct io_uring_params params = {0};
	    int ring = (int)syscall(SYS_io_uring_setup, 1, &params);
	    if (ring < 0)
	        return 77;
	    char *queue = mmap(NULL, params.sq_off.array + sizeof(unsigned), PROT_READ | PROT_WRITE,
	                       MAP_SHARED, ring, IORING_OFF_SQ_RING);
	    struct io_uring_sqe *request = mmap(NULL, sizeof(*request), PROT_READ | PROT_WRITE,
	                                        MAP_SHARED, ring, IORING_OFF_SQES);
	    int fd = dial();
	    put(fd, 1000);
	    REQUIRE(syscall(SYS_io_uring_register, ring, IORING_REGISTER_FILES, &fd, 1) == 0);
	    REQUIRE(close(fd) == 0);
	    *request = (struct io_uring_sqe){.opcode = IORING_OP_SEND,
	                                     .flags = IOSQE_FIXED_FILE,
	                                     .addr = (unsigned long)bytes,
	                                     .len = sizeof(bytes)};
	    *(unsigned *)(queue + params.sq_off.array) = 0;
	    __atomic_store_n((unsigned *)(queue + params.sq_off.tail), 1, __ATOMIC_RELEASE);
	    return syscall(SYS_io_uring_enter, ring, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) != 1;
	}
	C
    for policy in abort drain; do
        new_port
        readers 1
        run beside "$LIB" "$policy" "$BATS_TEST_TMPDIR/ring"
        [[ $status -ne 77 ]] || skip 'this kernel has no io_uring'
        echo "$policy: $output"
        [[ $status -eq 0 && $(was_read) == '101000 EOF' ]]
    done
}

@test "whoever copies a connection waits for a close that takes its time" {
    compile slow.so <<-'C' # behind ours
	#include "host.h"
	#include <sys/syscall.h>
	volatile int closing;
	int close(int fd)
	{
	    closing = linger2(fd) != -2;
	    if (closing)
	        usleep(400000);
	    return (int)syscall(SYS_close, fd);
	}
	C
    compile copier <<-'C'
	#include "host.h"
	#include <pthread.h>
	static int fd;
	static void *closer(void *unused)
	{
	    REQUIRE(close(fd) == 0);
	    return unused;
	}
	int main(void)
	{
	    pthread_t thread;
	    volatile int *closing = dlsym(RTLD_DEFAULT, "closing");
	    fd = dial();
	    put(fd, 1000);
	    REQUIRE(pthread_create(&thread, NULL, closer, NULL) == 0);
	    while (!*closing)
	        usleep(1000);
	    puts(dup(fd) < 0 ? "closed" : "copied");
	    return pthread_join(thread, NULL);
	}
	C
    readers 1
    # Without a log, whose file may have the fd's number when the close is over.
    run beside "$LIB:$BATS_TEST_TMPDIR/slow.so" abort env NOTIMEWAIT_LOG= "$BATS_TEST_TMPDIR/copier"
    echo "$output"
    [[ $status -eq 0 && $output == closed ]]
    was_read
}
