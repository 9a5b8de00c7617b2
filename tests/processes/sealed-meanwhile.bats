# A filter for all threads comes (seccomp(2), TSYNC) while one waits in a call: from then on no system
# call of ours. One that cannot be installed changes nothing. And what is like a filter.
load ../lib/helper
load ../lib/host
load ../lib/recycling

# sealer NAME: a program, NAME, whose main() is on stdin; filter(FLAGS) kills what asks about sockets.
sealer() {
    {
        cat <<-'C'
	#include "host.h"
	#include <linux/filter.h>
	#include <linux/seccomp.h>
	#include <pthread.h>
	#include <stddef.h>
	#include <sys/prctl.h>
	#include <sys/syscall.h>
	#define KILLS(call) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 1), \
	    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS)
	static struct sock_filter code[] = {
	    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
	    KILLS(SYS_getsockopt), KILLS(SYS_setsockopt), KILLS(SYS_getsockname), KILLS(SYS_ppoll),
	    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	__attribute__((unused)) static long filter(unsigned long flags)
	{
	    struct sock_fprog program = {sizeof(code) / sizeof(code[0]), code};
	    REQUIRE(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	    return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
	}
	C
        cat
    } | compile "$1"
}

@test "while connect() waits, on a port that was taken over" {
    sealer connects <<-'C'
	static struct sockaddr_in to = {.sin_family = AF_INET};
	static socklen_t len = sizeof(to);
	static _Atomic int result = 1;
	static void *connects(void *argument)
	{
	    result = connect(socket(AF_INET, SOCK_STREAM, 0), (struct sockaddr *)&to, len);
	    return argument;
	}
	static int open_one(int flags)
	{
	    int fd = socket(AF_INET, SOCK_STREAM | flags, 0);
	    connect(fd, (struct sockaddr *)&to, len);
	    return fd;
	}
	int main(void)
	{
	    pthread_t thread;
	    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	    to.sin_port = htons((unsigned short)atoi(getenv("TEST_PORT")));
	    REQUIRE(bind(listener, (struct sockaddr *)&to, len) == 0 && listen(listener, 8) == 0);
	    for (int i = 0; i < 10; i++) { /* all ports are in TIME_WAIT */
	        int fd = open_one(0);
	        close(fd);
	        close(accept(listener, NULL, NULL));
	    }
	    usleep(50000);
	    listen(listener, 0); /* and the queue is full, by connections from elsewhere */
	    for (int i = 0; i < 3; i++) {
	        struct sockaddr_in from = to;
	        from.sin_port = htons((unsigned short)(50001 + i));
	        int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	        REQUIRE(bind(fd, (struct sockaddr *)&from, len) == 0);
	        connect(fd, (struct sockaddr *)&to, len);
	    }
	    REQUIRE(pthread_create(&thread, NULL, connects, NULL) == 0);
	    usleep(500000);
	    REQUIRE(result == 1 && filter(SECCOMP_FILTER_FLAG_TSYNC) == 0);
	    for (int i = 0; i < 400 && result == 1; i++) {
	        accept(listener, NULL, NULL);
	        usleep(50000);
	    }
	    printf("connect %d\n", result);
	    fflush(stdout);
	    _exit(0);
	}
	C
    ports 10
    run beside "$LIB" auto "$BATS_TEST_TMPDIR/connects"
    echo "$status $output"
    [[ $status -eq 0 && $output == 'connect 0' ]]
}

@test "while close() lingers, and is cancelled then" {
    sealer lingers <<-'C'
	static int fd;
	static void *closes(void *argument)
	{
	    close(fd);
	    return argument;
	}
	int main(void)
	{
	    static char bytes[1 << 16];
	    pthread_t thread;
	    void *result;
	    fd = dial();
	    fcntl(fd, F_SETFL, O_NONBLOCK);
	    while (write(fd, bytes, sizeof(bytes)) > 0)
	        ;
	    fcntl(fd, F_SETFL, 0);
	    REQUIRE(pthread_create(&thread, NULL, closes, NULL) == 0);
	    usleep(300000);
	    REQUIRE(filter(SECCOMP_FILTER_FLAG_TSYNC) == 0);
	    pthread_cancel(thread);
	    REQUIRE(pthread_join(thread, &result) == 0);
	    puts(fcntl(fd, F_GETFD) == -1 ? "closed" : "open");
	    fflush(stdout);
	    _exit(0);
	}
	C
    start server "$ACT" time-limit:60 "listen:$PORT" "wait-file:$BATS_TEST_TMPDIR/end:50000"
    wait_output server '^listen'
    run beside "$LIB" linger:20 "$BATS_TEST_TMPDIR/lingers"
    echo "$status $output"
    [[ $status -eq 0 && $output == closed ]]
    touch "$BATS_TEST_TMPDIR/end"
}

@test "a thread has a filter of its own, so that none can be installed for all" {
    sealer alone <<-'C'
	static _Atomic _Bool has;
	static void *has_its_own(void *argument)
	{
	    struct sock_filter all[] = {BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
	    struct sock_fprog program = {1, all};
	    long (*raw)(long, ...) = (long (*)(long, ...))dlsym(dlopen("libc.so.6", RTLD_LAZY), "syscall");
	    REQUIRE(raw(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0L, &program) == 0);
	    has = 1;
	    for (;;)
	        pause();
	    return argument;
	}
	int main(void)
	{
	    pthread_t thread;
	    REQUIRE(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	    REQUIRE(pthread_create(&thread, NULL, has_its_own, NULL) == 0);
	    while (!has)
	        ;
	    REQUIRE(filter(SECCOMP_FILTER_FLAG_TSYNC) > 0);
	    int fd = dial();
	    put(fd, 1000);
	    return close(fd);
	}
	C
    readers 1
    run beside "$LIB" abort "$BATS_TEST_TMPDIR/alone"
    echo "$status $output $(logged)"
    [[ $status -eq 0 && $(logged) == 'close rst' ]]
}

# Emulators and interposers have a SIGSYS for each system call that is not made from their own code:
# here, from what is not libc's.
@test "syscall user dispatch, by prctl() and by its number: no system call of ours follows" {
    local policy way
    compile dispatch <<-'C'
	#include "host.h"
	#include <sys/prctl.h>
	#include <sys/syscall.h>
	static char blocks = 1;
	int main(int argc, char **argv)
	{
	    (void)argv;
	    char line[500];
	    unsigned long from = 0, to = 0;
	    FILE *maps = fopen("/proc/self/maps", "r");
	    while (fgets(line, sizeof(line), maps))
	        if (strstr(line, "/libc.so.6") && strstr(line, " r-xp "))
	            REQUIRE(sscanf(line, "%lx-%lx", &from, &to) == 2);
	    fclose(maps);
	    long r = argc > 1 ? syscall(SYS_prctl, 59, 1, from, to - from, &blocks)
	                      : prctl(59, 1, from, to - from, &blocks);
	    if (r != 0)
	        return 7; /* before Linux 5.11, and on other machines */
	    for (int i = 0; i < 3; i++) {
	        int fd = dial();
	        put(fd, 1000);
	        close(fd);
	    }
	    puts("all closed");
	    return 0;
	}
	C
    serve "$PORT" quiet loop:3 accept readall close end
    run beside '' off "$BATS_TEST_TMPDIR/dispatch"
    [[ $status -ne 7 ]] || skip 'this kernel has no syscall user dispatch'
    finish server
    for policy in auto fin-rst last-read drain:100 delay:10 abort; do
        for way in '' number; do
            new_port
            serve "$PORT" quiet loop:3 accept readall close end
            NOTIMEWAIT_LOG=$LOG NOTIMEWAIT_STATS=$BATS_TEST_TMPDIR/statistics run beside "$LIB" "$policy" \
                "$BATS_TEST_TMPDIR/dispatch" $way
            echo "$policy $way: $status $output"
            [[ $status -eq 0 && $output == 'all closed' ]]
            finish server
        done
    done
}
