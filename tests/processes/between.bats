#!/usr/bin/env bats
# What comes between the beginning of a close and its end: a signal of the thread's own, a handler
# that closes, another thread's filter. The program fares as without the library, and no byte is lost.

load ../lib/helper
load ../lib/host

# --- signals that an instruction of the thread's own causes ---

# A header: free(), in fclose(), touches a page that a handler makes writable, and calls mended().
write_barrier() {
    cat >"$BATS_FILE_TMPDIR/barrier.h" <<-'C'
	#include "host.h"
	#include <signal.h>
	#include <sys/mman.h>
	static char *page;
	static int armed;
	void __libc_free(void *);
	void free(void *p)
	{
	    if (armed)
	        *(volatile char *)page = 1;
	    __libc_free(p);
	}
	static void mended(void);
	static void mend(int s)
	{
	    (void)s;
	    mprotect(page, 4096, PROT_READ | PROT_WRITE);
	    mended();
	}
	static int fclose_over_barrier(void)
	{
	    page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	    signal(SIGSEGV, mend);
	    FILE *stream = fdopen(dial(), "w");
	    armed = 1;
	    int r = fclose(stream);
	    armed = 0;
	    return r;
	}
	C
}

@test "free() in fclose() touches a page that a handler makes writable" {
    not_sanitized
    write_barrier
    compile barrier <<-'C'
	#include "barrier.h"
	static void mended(void)
	{
	}
	int main(void)
	{
	    int r = fclose_over_barrier();
	    printf("fclose %d, written %d\n", r, page[0]);
	    return 0;
	}
	C
    for policy in abort drain; do
        new_port
        readers 1
        run beside "$LIB" "$policy" "$BATS_TEST_TMPDIR/barrier"
        echo "$policy: $output"
        [[ $status -eq 0 && $output == 'fclose 0, written 1' && $(logged) == 'fclose rst' ]]
        was_read
    done
}

@test "the handler of a fault in a close copies fds and forks: nobody waits for the thread itself" {
    not_sanitized
    write_barrier
    compile copies <<-'C'
	#include "barrier.h"
	#include <sys/wait.h>
	#include <time.h>
	static int pid = -1, slow;
	static void copy(void)
	{
	    struct timespec begun, now;
	    clock_gettime(CLOCK_MONOTONIC, &begun);
	    close(dup(1));
	    clock_gettime(CLOCK_MONOTONIC, &now);
	    slow += (now.tv_sec - begun.tv_sec) * 1000 + (now.tv_nsec - begun.tv_nsec) / 1000000 > 900;
	}
	static void mended(void)
	{
	    copy();
	    pid = fork();
	}
	int main(void)
	{
	    int r = fclose_over_barrier();
	    copy(); /* in the child, too, which goes on from there */
	    int status = 0;
	    if (pid > 0)
	        waitpid(pid, &status, 0);
	    printf("fclose %d, %d slow\n", r, slow);
	    return status;
	}
	C
    for policy in abort drain; do
        new_port
        readers 1
        run beside "$LIB" "$policy" "$BATS_TEST_TMPDIR/copies"
        echo "$policy: $output"
        [[ $status -eq 0 && $output == $'fclose 0, 0 slow\nfclose 0, 0 slow' ]]
        was_read
    done
}

@test "an inherited filter traps setsockopt(), of which a handler makes an error" {
    compile trapped <<-'C'
	#include "host.h"
	#include <linux/filter.h>
	#include <linux/seccomp.h>
	#include <signal.h>
	#include <stddef.h>
	#include <sys/prctl.h>
	#include <sys/syscall.h>
	static int trapped;
	static void refuse(int s)
	{
	    (void)s;
	    trapped++; /* the call returns what is in its register: not 0 */
	}
	int main(int argc, char **argv)
	{
	    struct sock_filter filter[] = {
	        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
	        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_setsockopt, 0, 1),
	        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
	        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
	    struct sock_fprog program = {4, filter};
	    if (argc == 1) {
	        REQUIRE(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	        REQUIRE(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) == 0);
	        return execl(argv[0], argv[0], "again", NULL);
	    }
	    signal(SIGSYS, refuse);
	    int fd = dial();
	    put(fd, 1000);
	    printf("close %d, ", close(fd));
	    puts(trapped ? "trapped" : "not trapped");
	    return 0;
	}
	C
    for policy in abort drain; do
        new_port
        readers 1
        run beside "$LIB" "$policy" "$BATS_TEST_TMPDIR/trapped"
        echo "$policy: $output"
        [[ $status -eq 0 && $output == 'close 0, trapped' ]]
        [[ $(was_read) =~ ^'1000 ' ]]
    done
}

# --- while a close waits ---

@test "a handler closes the fd and gets it again: the close that it interrupted leaves it alone" {
    compile again <<-'C'
	#include "host.h"
	#include <linux/filter.h>
	#include <linux/seccomp.h>
	#include <signal.h>
	#include <sys/prctl.h>
	#include <sys/syscall.h>
	static int fd, new;
	static void install(void)
	{
	    struct sock_filter all = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	    struct sock_fprog program = {1, &all};
	    REQUIRE(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	    REQUIRE(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) == 0);
	}
	/* More than the peer takes now. */
	static void fill(int fd)
	{
	    static char bytes[1 << 20];
	    fcntl(fd, F_SETFL, O_NONBLOCK);
	    while (write(fd, bytes, sizeof(bytes)) > 0)
	        ;
	    fcntl(fd, F_SETFL, 0);
	}
	static void again(int s)
	{
	    (void)s;
	    close(fd);
	    new = dial();
	    put(new, 1000);
	    if (getenv("FILTER"))
	        install();
	}
	int main(int argc, char **argv)
	{
	    (void)argv;
	    signal(SIGALRM, again);
	    fd = dial();
	    fill(fd);
	    ualarm(500000, 0);
	    int r = argc > 1 ? (int)syscall(SYS_close, fd) : close(fd);
	    while (new == 0)
	        usleep(1000);
	    printf("close %d, %s fd\n", r, new == fd ? "the same" : "another");
	    put(new, 1000);
	    shutdown(new, SHUT_WR);
	    return 0;
	}
	C
    for policy in delay:1500 drain:1500 drain-eof:1500; do
        for way in '' number; do
            new_port
            serve "$PORT" accept@b accept@c readall@c close@c close@b
            run beside "$LIB" "$policy" "$BATS_TEST_TMPDIR/again" $way
            echo "$policy $way: $output"
            [[ $status -eq 0 && $output == 'close 0, the same fd' ]]
            [[ $(was_read) == '2000 EOF' ]]
        done
    done
    new_port
    serve "$PORT" accept@b accept@c readall@c close@c close@b
    FILTER=1 run beside "$LIB" delay:1500 "$BATS_TEST_TMPDIR/again"
    echo "and a filter: $output"
    [[ $status -eq 0 && $output == 'close 0, the same fd' && $(was_read) == '2000 EOF' ]]
}

@test "another thread installs a filter for all threads: no system call of ours follows" {
    compile filter <<-'C'
	#include "host.h"
	#include <linux/filter.h>
	#include <linux/seccomp.h>
	#include <pthread.h>
	#include <stddef.h>
	#include <sys/prctl.h>
	#include <sys/syscall.h>
	#define KILL(number) \
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1), \
	        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS)
	static void *install(void *unused)
	{
	    struct sock_filter filter[] = {
	        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
	        KILL(SYS_getsockopt), KILL(SYS_setsockopt), KILL(SYS_ppoll), KILL(SYS_recvmsg),
	        KILL(SYS_ioctl), KILL(SYS_rt_sigprocmask),
	        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
	    struct sock_fprog program = {sizeof(filter) / sizeof(filter[0]), filter};
	    usleep(100000);
	    REQUIRE(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	    REQUIRE(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC,
	                    &program) == 0);
	    pause(); /* a thread's end needs what is forbidden */
	    return unused;
	}
	int main(int argc, char **argv)
	{
	    pthread_t thread;
	    int r, fd = dial(), way = argc > 1 ? argv[1][0] : 0;
	    put(fd, 1000);
	    REQUIRE(pthread_create(&thread, NULL, install, NULL) == 0);
	    if (way == 'd')
	        r = dup2(1, fd) == fd ? 0 : -1;
	    else
	        r = way == 'r' ? close_range((unsigned)fd, (unsigned)fd, 0) : close(fd);
	    printf("%d\n", r);
	    fflush(stdout);
	    _exit(0);
	}
	C
    for way in close dup2 range; do
        new_port
        readers 1
        run beside "$LIB" delay:600 "$BATS_TEST_TMPDIR/filter" $way
        echo "$way: $output"
        [[ $status -eq 0 && $output == 0 ]]
        [[ $(was_read) == '1000 EOF' ]]
    done
}

@test "close_range() over a connection to be reset and one that lingers takes signals" {
    compile range <<-'C'
	#include "host.h"
	#include <signal.h>
	#include <time.h>
	static time_t begun;
	static void handler(int s)
	{
	    (void)s;
	    REQUIRE(write(1, time(NULL) - begun < 4 ? "soon\n" : "late\n", 5) == 5);
	}
	int main(void)
	{
	    static char bytes[1 << 20];
	    struct linger linger = {1, atoi(getenv("SECONDS_LEFT"))};
	    int first = dial(), last = dial();
	    signal(SIGALRM, handler);
	    put(first, 1000);
	    REQUIRE(setsockopt(last, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)) == 0);
	    fcntl(last, F_SETFL, O_NONBLOCK);
	    while (write(last, bytes, sizeof(bytes)) > 0)
	        ;
	    fcntl(last, F_SETFL, 0);
	    begun = time(NULL);
	    alarm(1);
	    printf("close_range %d\n", close_range((unsigned)first, (unsigned)last, 0));
	    return 0;
	}
	C
    serve "$PORT" accept@b accept@c readall@b sleep:8000 close@c
    SECONDS_LEFT=6 run beside "$LIB" abort "$BATS_TEST_TMPDIR/range"
    echo "$output"
    [[ $status -eq 0 && $output == $'soon\nclose_range 0' ]]
    [[ $(logged) == $'close_range none\nclose_range none' ]]
    new_port
    serve "$PORT" accept@b accept@c readall@b close@c
    SECONDS_LEFT=0 run beside "$LIB" abort "$BATS_TEST_TMPDIR/range"
    echo "the program's own resets, and does not wait: $output"
    [[ $status -eq 0 && $output == 'close_range 0' ]]
    [[ $(logged) == $'close_range rst\nclose_range none' ]]
}
