# A thread holds the dynamic linker's lock, in a constructor under dlopen(), and waits: for another
# thread, or for a child of _Fork(). Their calls never wait for the linker, as they would if a hook
# looked up libc's function only now.
# shellcheck disable=SC2154 # what run sets
load ../lib/helper
load ../lib/host

# calls: C, a function that calls what is hooked, in the ways that are not those of sockets.
calls() {
    cat <<-'C'
	#include "host.h"
	#include <pthread.h>
	#include <sched.h>
	#include <spawn.h>
	#include <sys/prctl.h>
	#include <sys/resource.h>
	#include <sys/sendfile.h>
	#include <sys/uio.h>
	#include <sys/wait.h>
	__attribute__((unused)) static void *calls(void *unused)
	{
	    char byte;
	    struct iovec iov = {.iov_base = &byte, .iov_len = 1};
	    struct rlimit limit;
	    int null = open("/dev/null", O_RDWR);
	    REQUIRE(null >= 0 && dup3(null, 100, O_CLOEXEC) == 100 && fcntl(100, F_GETFD) >= 0);
	    REQUIRE(readv(null, &iov, 1) == 0 && writev(null, &iov, 1) == 1);
	    REQUIRE(preadv2(null, &iov, 1, -1, 0) == 0 && pwritev2(null, &iov, 1, -1, 0) == 1);
	    REQUIRE(recvmmsg(null, NULL, 0, 0, NULL) == -1 && sendmmsg(null, NULL, 0, 0) == -1);
	    REQUIRE(accept4(null, NULL, NULL, 0) == -1 && setns(null, 0) == -1);
	    REQUIRE(sendfile(null, null, NULL, 0) <= 0 && splice(null, NULL, null, NULL, 0, 0) <= 0);
	    REQUIRE(prctl(PR_SET_NAME, "calls", 0, 0, 0) == 0 && unshare(0) == 0);
	    REQUIRE(getrlimit(RLIMIT_CORE, &limit) == 0 && setrlimit(RLIMIT_CORE, &limit) == 0);
	    REQUIRE(prlimit(0, RLIMIT_CORE, NULL, &limit) == 0);
	    REQUIRE(close_range(200, 300, 0) == 0);
	    closefrom(100);
	    close(null);
	    return unused;
	}
	/* And what a child of _Fork() may not, since it takes locks of stdio and malloc. */
	__attribute__((unused)) static void *more_calls(void *unused)
	{
	    char *const argv[] = {"true", NULL};
	    pid_t pid;
	    FILE *file = fopen("/dev/null", "r+");
	    REQUIRE(file && (file = freopen("/dev/null", "r", file)) && fclose(file) == 0);
	    REQUIRE(posix_spawnp(&pid, "true", NULL, NULL, argv, NULL) == 0);
	    REQUIRE(waitpid(pid, NULL, 0) == pid && system("true") == 0);
	    REQUIRE((file = popen("true", "r")) && pclose(file) == 0);
	    return calls(unused);
	}
	C
}

@test "a constructor waits for a thread" {
    { calls && cat; } <<-'C' | compile plugin.so
	__attribute__((constructor)) static void wait_for_thread(void)
	{
	    pthread_t thread;
	    REQUIRE(pthread_create(&thread, NULL, more_calls, NULL) == 0);
	    REQUIRE(pthread_join(thread, NULL) == 0);
	}
	C
    compile host <<-'C'
	#include "host.h"
	int main(int argc, char **argv)
	{
	    alarm(60);
	    REQUIRE(argc == 2 && dlopen(argv[1], RTLD_NOW));
	    puts("done");
	}
	C
    for policy in auto abort; do
        run beside "$LIB" "$policy" "$BATS_TEST_TMPDIR/host" "$BATS_TEST_TMPDIR/plugin.so"
        echo "$policy: status $status, $output"
        [[ "$status $output" == '0 done' ]]
    done
}

@test "a child of _Fork(), while another thread is in a constructor" {
    compile plugin.so <<-'C'
	#include "host.h"
	extern int inside[2], over[2];
	__attribute__((constructor)) static void wait_for_child(void)
	{
	    char byte;
	    REQUIRE(write(inside[1], "x", 1) == 1 && read(over[0], &byte, 1) == 1);
	}
	C
    { calls && cat; } <<-'C' | compile host -rdynamic -Wl,-z,now
	int inside[2], over[2];
	static void *load(void *plugin)
	{
	    REQUIRE(dlopen(plugin, RTLD_NOW));
	    return NULL;
	}
	int main(int argc, char **argv)
	{
	    pthread_t thread;
	    int status;
	    char byte;
	    alarm(60);
	    REQUIRE(argc == 2 && pipe(inside) == 0 && pipe(over) == 0);
	    REQUIRE(pthread_create(&thread, NULL, load, argv[1]) == 0);
	    REQUIRE(read(inside[0], &byte, 1) == 1);
	    pid_t child = _Fork();
	    if (child == 0) {
	        alarm(30);
	        calls(NULL);
	        _exit(0);
	    }
	    REQUIRE(waitpid(child, &status, 0) == child && status == 0);
	    REQUIRE(write(over[1], "x", 1) == 1 && pthread_join(thread, NULL) == 0);
	    puts("done");
	}
	C
    for policy in auto abort; do
        run beside "$LIB" "$policy" "$BATS_TEST_TMPDIR/host" "$BATS_TEST_TMPDIR/plugin.so"
        echo "$policy: status $status, $output"
        [[ "$status $output" == '0 done' ]]
    done
}
