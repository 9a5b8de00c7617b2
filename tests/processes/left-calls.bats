# A thread leaves a call that waits, by siglongjmp() out of a handler, and ends later: nothing of ours
# points into the frame that is gone. The same after the child of a vfork() was killed in the call.
load ../lib/helper
load ../lib/host

# leaver: a program `leaver CALL END`: a thread waits in sendmsg, close or fclose, leaves it, and ends by
# exit or cancel. The connection is bytes behind, and lingers by itself unless OURS is set.
leaver() {
    compile leaver <<-'C'
	#include "host.h"
	#include <pthread.h>
	#include <setjmp.h>
	#include <signal.h>
	#include <sys/wait.h>
	static sigjmp_buf out;
	static int fd, pair[2];
	static char bytes[1 << 20];
	static const char *call;
	static _Bool exits;
	static void handler(int signal)
	{
	    (void)signal;
	    siglongjmp(out, 1);
	}
	static ssize_t send_all(void)
	{
	    struct iovec iov = {bytes, sizeof(bytes)};
	    return sendmsg(pair[0], &(struct msghdr){.msg_iov = &iov, .msg_iovlen = 1}, 0);
	}
	static __attribute__((noinline)) void act(void)
	{
	    if (strcmp(call, "sendmsg") == 0)
	        send_all();
	    else if (strcmp(call, "fclose") == 0)
	        fclose(fdopen(fd, "r+"));
	    else
	        close(fd);
	    puts("has not waited");
	}
	static __attribute__((noinline)) void child(void)
	{
	    alarm(1);
	    send_all();
	    _exit(0);
	}
	static __attribute__((noinline)) void overwrite(void)
	{
	    volatile char here[16384];
	    for (size_t i = 0; i < sizeof(here); i++)
	        here[i] = 0x41;
	}
	static void *leave(void *argument)
	{
	    if (strcmp(call, "vfork") == 0) {
	        signal(SIGALRM, SIG_DFL);
	        pid_t pid = vfork();
	        if (pid == 0)
	            child();
	        REQUIRE(waitpid(pid, NULL, 0) == pid);
	    } else if (sigsetjmp(out, 1) == 0) {
	        alarm(1);
	        act();
	    }
	    overwrite();
	    if (exits)
	        pthread_exit(argument);
	    for (;;)
	        pause();
	}
	int main(int argc, char **argv)
	{
	    pthread_t thread;
	    sigset_t alarms;
	    void *result;
	    call = argv[argc - 2];
	    exits = strcmp(argv[argc - 1], "exit") == 0;
	    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
	    fd = dial();
	    if (*getenv("OURS") == '\0')
	        setsockopt(fd, SOL_SOCKET, SO_LINGER, &(struct linger){1, 20}, sizeof(struct linger));
	    fcntl(fd, F_SETFL, O_NONBLOCK);
	    while (write(fd, bytes, sizeof(bytes)) > 0)
	        ;
	    fcntl(fd, F_SETFL, 0);
	    signal(SIGALRM, handler);
	    REQUIRE(pthread_create(&thread, NULL, leave, NULL) == 0);
	    sigemptyset(&alarms);
	    sigaddset(&alarms, SIGALRM);
	    pthread_sigmask(SIG_BLOCK, &alarms, NULL);
	    if (!exits) {
	        sleep(2);
	        pthread_cancel(thread);
	    }
	    REQUIRE(pthread_join(thread, &result) == 0);
	    puts(result == PTHREAD_CANCELED ? "cancelled" : "ended");
	    fflush(stdout);
	    _exit(0);
	}
	C
}

# leaves POLICY CALL: and the thread ends in both ways, all at once.
leaves() {
    local end
    for end in exit cancel; do
        TEST_PORT=$PORT NOTIMEWAIT_LOG=$LOG LD_PRELOAD=$LIB NOTIMEWAIT_POLICY=$1 \
            start "$1.$2.$end" "$BATS_TEST_TMPDIR/leaver" "$2" $end
    done
}

@test "siglongjmp out of sendmsg, close and fclose, or a killed child of vfork: the thread ends" {
    local call policy end expected
    local policies=(off auto 'fin-rst' linger:20)
    leaver
    start server "$ACT" time-limit:60 "listen:$PORT" rcvbuf:4096 "wait-file:$BATS_TEST_TMPDIR/end:50000"
    wait_output server '^listen'
    for policy in "${policies[@]}"; do
        for call in sendmsg close fclose vfork; do OURS=${policy##[!l]*} leaves "$policy" $call; done
    done
    for policy in "${policies[@]}"; do
        for call in sendmsg close fclose vfork; do
            for end in exit cancel; do
                expected=ended
                [[ $end == exit ]] || expected=cancelled
                run finish "$policy.$call.$end"
                echo "$policy, $call, $end: $status $output"
                [[ $status -eq 0 && $output == "$expected" ]]
            done
        done
    done
    # What lingered is closed, and recorded.
    [[ $(json '.policy + " " + .via' "$LOG" | sort | uniq -c | grep -c ' 2 linger:20 ') -eq 2 ]]
    touch "$BATS_TEST_TMPDIR/end"
}

@test "a thread may leave sendmsg() so a hundred times: connections are reset as before" {
    compile again <<-'C'
	#include "host.h"
	#include <setjmp.h>
	#include <signal.h>
	static sigjmp_buf out;
	static void handler(int signal)
	{
	    (void)signal;
	    siglongjmp(out, 1);
	}
	int main(void)
	{
	    static char bytes[1 << 20];
	    int pair[2];
	    struct iovec iov = {bytes, sizeof(bytes)};
	    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
	    signal(SIGALRM, handler);
	    for (volatile int i = 0; i < 100; i++) {
	        if (sigsetjmp(out, 1) == 0) {
	            ualarm(2000, 0);
	            sendmsg(pair[0], &msg, 0);
	            abort();
	        }
	    }
	    int fd = dial();
	    iov.iov_len = 1;
	    REQUIRE(sendmsg(pair[1], &msg, 0) == 1);
	    return close(fd);
	}
	C
    serve "$PORT" accept readall close
    run beside "$LIB" abort "$BATS_TEST_TMPDIR/again"
    echo "$status $output"
    [[ $status -eq 0 && $(logged) == 'close rst' ]]
}

@test "forty threads in sendmsg(): none passes an fd on, and connections are reset; if they do, none is" {
    compile many <<-'C'
	#include "host.h"
	#include <pthread.h>
	static int pair[2], passes;
	static void *sends(void *argument)
	{
	    static char bytes[1 << 20];
	    struct iovec iov = {bytes, sizeof(bytes)};
	    char control[CMSG_SPACE(sizeof(int))] __attribute__((aligned(8))) = {0};
	    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	    struct mmsghdr two[2] = {{.msg_hdr = msg}, {.msg_hdr = msg}};
	    if (passes) {
	        msg.msg_control = control;
	        msg.msg_controllen = sizeof(control);
	        *CMSG_FIRSTHDR(&msg) = (struct cmsghdr){CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS};
	    }
	    argument ? sendmmsg(pair[0], two, 2, 0) : (int)sendmsg(pair[0], &msg, 0);
	    abort();
	}
	int main(int argc, char **argv)
	{
	    passes = argc > 1;
	    (void)argv;
	    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
	    int fd = dial();
	    for (long i = 0; i < 40; i++) {
	        pthread_t thread;
	        REQUIRE(pthread_create(&thread, NULL, sends, (void *)(i % 2)) == 0);
	    }
	    usleep(300000); /* none at all would be reset, too */
	    _exit(close(fd));
	}
	C
    many() {
        new_port
        serve "$PORT" accept readall close
        run beside "$LIB" abort "$BATS_TEST_TMPDIR/many" "$@"
        echo "$status $output"
        finish server
    }
    many
    [[ $status -eq 0 && $(logged) == 'close rst' ]]
    many passes
    [[ $status -eq 0 && $(logged) == 'close none' ]]
}
