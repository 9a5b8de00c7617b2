# A connection is closed while another thread makes a copy of it: what the peer has sent is the copy's,
# too, and is not discarded.
load ../lib/helper
load ../lib/host

@test "a child of fork() has all that had arrived, whenever it was forked" {
    local policy copies=0
    compile race <<-'C'
	#include "host.h"
	#include <pthread.h>
	#include <sched.h>
	#include <stdatomic.h>
	#include <sys/ioctl.h>
	#include <sys/wait.h>
	enum { BYTES = 20000, GONE = 2 };
	static int fd, status;
	static _Atomic _Bool go;
	static useconds_t late;
	static void *forks(void *argument)
	{
	    static char bytes[BYTES + 1];
	    while (!go)
	        ;
	    if (late)
	        usleep(late);
	    pid_t pid = fork();
	    if (pid == 0) {
	        ssize_t all = 0, r;
	        usleep(2000);
	        fcntl(fd, F_SETFL, O_NONBLOCK);
	        while ((r = read(fd, bytes, sizeof(bytes))) > 0)
	            all += r;
	        _exit(all == 0 && errno == EBADF ? GONE : all != BYTES);
	    }
	    REQUIRE(waitpid(pid, &status, 0) == pid);
	    return argument;
	}
	int main(int argc, char **argv)
	{
	    static char bytes[BYTES];
	    int copies = 0, lost = 0, rounds = argc > 1 ? 4 : 600;
	    late = argc > 1 ? (useconds_t)atoi(argv[1]) : 0;
	    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	    socklen_t len = sizeof(at);
	    int listener = socket(AF_INET, SOCK_STREAM, 0);
	    REQUIRE(bind(listener, (struct sockaddr *)&at, len) == 0 && listen(listener, 8) == 0);
	    REQUIRE(getsockname(listener, (struct sockaddr *)&at, &len) == 0);
	    for (int i = 0; i < rounds; i++) {
	        pthread_t thread;
	        fd = socket(AF_INET, SOCK_STREAM, 0);
	        REQUIRE(connect(fd, (struct sockaddr *)&at, len) == 0);
	        int peer = accept(listener, NULL, NULL);
	        REQUIRE(write(peer, bytes, BYTES) == BYTES);
	        for (int n = 0; ioctl(fd, FIONREAD, &n) == 0 && n < BYTES;)
	            sched_yield();
	        go = 0;
	        REQUIRE(pthread_create(&thread, NULL, forks, NULL) == 0);
	        usleep(100);
	        go = 1;
	        for (volatile int n = 0; n < i % 200 * 200; n++)
	            ;
	        close(fd);
	        REQUIRE(pthread_join(thread, NULL) == 0);
	        close(peer);
	        copies += WEXITSTATUS(status) != GONE;
	        lost += WEXITSTATUS(status) != GONE && status != 0;
	    }
	    printf("%d copies, of which %d miss something\n", copies, lost);
	    return 0;
	}
	C
    for policy in fin-rst drain:0 last-read; do
        run beside "$LIB" "$policy" "$BATS_TEST_TMPDIR/race"
        echo "$policy: $output"
        [[ $status -eq 0 && $output == *' copies, of which 0 miss something' ]]
        copies=$((copies + ${output%% *}))
    done
    [[ $copies -gt 0 ]]
    # Each recvmsg() takes 200 ms: the child comes when it has discarded, and the fd is still open.
    need strace
    for policy in fin-rst drain:0; do
        run strace -qq -f -o /dev/null -e trace=recvmsg -e inject=recvmsg:delay_exit=200000 \
            -E LD_PRELOAD="$LIB" -E NOTIMEWAIT_POLICY="$policy" "$BATS_TEST_TMPDIR/race" 100000
        echo "$policy, late: $output"
        [[ $status -eq 0 && $output == *' copies, of which 0 miss something' ]]
    done
}

@test "what comes after the copy was made is the copy's: a close that drains ends there" {
    local way
    compile late <<-'C'
	#include "host.h"
	#include <pthread.h>
	#include <sys/wait.h>
	static int fd;
	static void *closes(void *argument)
	{
	    close(fd);
	    return argument;
	}
	/* The peer sends from now on. */
	static void peer_sends(void)
	{
	    close(open(getenv("COPIED"), O_CREAT | O_WRONLY, 0600));
	}
	static int reads(int copy)
	{
	    char bytes[4096];
	    ssize_t all = 0, r;
	    while ((r = read(copy, bytes, sizeof(bytes))) > 0)
	        all += r;
	    return all == 1000 ? 0 : 1;
	}
	int main(int argc, char **argv)
	{
	    pthread_t thread;
	    int status = 0;
	    fd = dial();
	    int copy = fd;
	    REQUIRE(pthread_create(&thread, NULL, closes, NULL) == 0);
	    usleep(200000);
	    if (strcmp(argv[argc - 1], "dup") == 0) {
	        copy = dup(fd);
	        peer_sends();
	        status = reads(copy);
	    } else {
	        pid_t pid = fork();
	        if (pid == 0) {
	            peer_sends();
	            usleep(100000);
	            _exit(reads(copy));
	        }
	        REQUIRE(waitpid(pid, &status, 0) == pid);
	    }
	    REQUIRE(pthread_join(thread, NULL) == 0);
	    puts(status == 0 ? "all" : "something is missing");
	    return 0;
	}
	C
    for way in fork dup; do
        new_port
        rm -f "$BATS_TEST_TMPDIR/copied"
        serve "$PORT" accept "wait-file:$BATS_TEST_TMPDIR/copied:20000" write:1000 sleep:300 shutdown:wr \
            close
        COPIED=$BATS_TEST_TMPDIR/copied run beside "$LIB" drain-eof:20000 "$BATS_TEST_TMPDIR/late" $way
        echo "$way: $status $output"
        [[ $status -eq 0 && $output == all ]]
        finish server
    done
}

@test "fclose that waits for another thread's use of the stream takes signals, with input unread" {
    compile waits <<-'C'
	#include "host.h"
	#include <pthread.h>
	#include <signal.h>
	static FILE *stream;
	static volatile sig_atomic_t handled;
	static void handler(int signal)
	{
	    (void)signal;
	    handled = 1;
	}
	static void *closes(void *argument)
	{
	    fclose(stream);
	    return argument;
	}
	int main(void)
	{
	    pthread_t thread;
	    char byte;
	    int fd = dial();
	    REQUIRE(recv(fd, &byte, 1, MSG_PEEK) == 1);
	    signal(SIGUSR1, handler);
	    stream = fdopen(fd, "r+");
	    flockfile(stream);
	    REQUIRE(pthread_create(&thread, NULL, closes, NULL) == 0);
	    usleep(300000);
	    pthread_kill(thread, SIGUSR1);
	    for (int i = 0; i < 5000 && !handled; i++)
	        usleep(1000);
	    puts(handled ? "handled" : "not handled");
	    funlockfile(stream);
	    REQUIRE(pthread_join(thread, NULL) == 0);
	    return 0;
	}
	C
    serve "$PORT" accept write:1000 readall close
    run beside "$LIB" fin-rst "$BATS_TEST_TMPDIR/waits"
    echo "$status $output $(logged)"
    [[ $status -eq 0 && $output == handled && $(logged) == 'fclose fin-rst' ]]
}
