/*
 * act: a TCP end that follows a script, given as arguments: `act connect:8080 write:5 close`.
 *
 * Both ends of a test's connections are such scripts. act knows nothing of the library: it
 * makes the calls that it is told and prints, a line per step, what they returned. This file
 * holds the list of steps, reads the script and runs it; act_*.h hold the steps by theme.
 */
#include "act.h"
#include "act_close.h"
#include "act_io.h"
#include "act_process.h"
#include "act_socket.h"
#include "act_uring.h"
#include "act_watch.h"

/* clang-format off */
#define STEP(usage, function, help)        {usage, help, function, NULL, 0, 0}
#define BYTES(usage, call, help)           {usage, help, step_transfer, call, 0, 0}
#define OPTION(usage, level, option, help) {usage, help, step_option, NULL, level, option}
#define GETOPTION(usage, level, option, help) \
    {usage, help, step_get_option, NULL, level, option}
/* clang-format on */

static void step_end(struct act *a, const struct step *s);

static const struct verb verbs[] = {
    /* registers */
    STEP("use:X", step_use, "the steps that follow work on register X (silent)"),
    STEP("fd:N", step_fd, "the register holds fd number N (silent)"),
    STEP("again", step_again, "the register holds the number closed last (silent)"),
    STEP("inherit", step_inherit, "the register holds the fd of exec, spawn, system (silent)"),
    STEP("expect-open[:FD]", step_expect_open, "fcntl(F_GETFD): 0, 1 (cloexec) or -1 EBADF"),
    /* birth */
    STEP("socket[:KIND]", step_socket, "socket(): tcp4 (default), tcp6, udp, unix, mptcp"),
    STEP("bind:[ADDR:]PORT", step_bind, "bind() with SO_REUSEADDR; also bind:/PATH (unix)"),
    STEP("listen[:ADDR][:PORT]", step_listen, "bind and listen(); moves to l; prints the port"),
    STEP("accept", step_accept, "accept() from register l"),
    STEP("accept4[:nonblock]", step_accept4, "accept4(SOCK_CLOEXEC) from register l"),
    STEP("connect:[ADDR:]PORT", step_connect, "connect(), with a new socket if there is none"),
    STEP("connect-nonblock:[ADDR:]PORT", step_connect_nonblock, "the same with O_NONBLOCK"),
    STEP("connect-wait[:MS]", step_connect_wait, "poll() for the end of connect, SO_ERROR"),
    STEP("connect-unspec", step_connect_unspec, "connect(AF_UNSPEC): disconnect"),
    STEP("sendto-fastopen:ADDR:PORT:N", step_fastopen, "sendto(MSG_FASTOPEN)"),
    STEP("socketpair:X", step_socketpair, "socketpair(AF_UNIX); the other end in X"),
    STEP("pipe:X", step_pipe, "pipe(); the end to write in X"),
    STEP("open:PATH...", step_open, "open(O_RDWR | O_CREAT | O_CLOEXEC)"),
    /* copies */
    STEP("dup:X", step_dup, "X = dup(fd)"),
    STEP("dup2:FD[:X]", step_dup2, "dup2(fd, FD); the result in X"),
    STEP("dup3:FD[:FLAGS]", step_dup3, "dup3(fd, FD, FLAGS): cloexec or a number"),
    STEP("fcntl-dupfd:X[:MIN]", step_fcntl_dupfd, "X = fcntl(F_DUPFD)"),
    STEP("fcntl64-dupfd:X[:MIN]", step_fcntl64_dupfd, "X = fcntl64(F_DUPFD)"),
    STEP("fcntl-dupfd-cloexec:X[:MIN]", step_fcntl_dupfd_cloexec, "X = fcntl(F_DUPFD_CLOEXEC)"),
    STEP("sendfd:X[:mmsg]", step_sendfd, "pass the fd through the unix socket X, by sendmsg()"),
    STEP("recvfd:X", step_recvfd, "receive an fd from the unix socket X"),
    /* options */
    STEP("nonblock", step_nonblock, "O_NONBLOCK (silent)"),
    STEP("block", step_block, "no O_NONBLOCK (silent)"),
    OPTION("nodelay[:N]", IPPROTO_TCP, TCP_NODELAY, "TCP_NODELAY"),
    OPTION("cork[:N]", IPPROTO_TCP, TCP_CORK, "TCP_CORK"),
    OPTION("quickack[:N]", IPPROTO_TCP, TCP_QUICKACK, "TCP_QUICKACK"),
    OPTION("defer-accept[:S]", IPPROTO_TCP, TCP_DEFER_ACCEPT, "TCP_DEFER_ACCEPT"),
    OPTION("fastopen[:N]", IPPROTO_TCP, TCP_FASTOPEN, "TCP_FASTOPEN (before listen)"),
    OPTION("fastopen-connect[:N]", IPPROTO_TCP, TCP_FASTOPEN_CONNECT, "TCP_FASTOPEN_CONNECT"),
    OPTION("keepalive[:N]", SOL_SOCKET, SO_KEEPALIVE, "SO_KEEPALIVE"),
    OPTION("keepidle:S", IPPROTO_TCP, TCP_KEEPIDLE, "TCP_KEEPIDLE"),
    OPTION("keepintvl:S", IPPROTO_TCP, TCP_KEEPINTVL, "TCP_KEEPINTVL"),
    OPTION("sndbuf:N", SOL_SOCKET, SO_SNDBUF, "SO_SNDBUF"),
    OPTION("rcvbuf:N", SOL_SOCKET, SO_RCVBUF, "SO_RCVBUF"),
    OPTION("oob-inline[:N]", SOL_SOCKET, SO_OOBINLINE, "SO_OOBINLINE"),
    OPTION("v6only[:N]", IPPROTO_IPV6, IPV6_V6ONLY, "IPV6_V6ONLY"),
    STEP("linger:ONOFF:S", step_linger, "SO_LINGER"),
    STEP("getlinger", step_getlinger, "prints ONOFF:S"),
    OPTION("linger2:N", IPPROTO_TCP, TCP_LINGER2, "TCP_LINGER2"),
    GETOPTION("getlinger2", IPPROTO_TCP, TCP_LINGER2, "prints the value"),
    STEP("sockname", step_sockname, "getsockname(): prints ADDR:PORT"),
    STEP("peername", step_peername, "getpeername(): prints ADDR:PORT"),
    /* bytes in, one call */
    BYTES("read:N", in_read, "read()"),
    BYTES("read-raw:N", in_read_raw, "the system call"),
    BYTES("readv:N", in_readv, "readv()"),
    BYTES("preadv2:N", in_preadv2, "preadv2()"),
    BYTES("recv:N", in_recv, "recv()"),
    BYTES("recv-peek:N", in_recv_peek, "recv(MSG_PEEK)"),
    BYTES("recv-dontwait:N", in_recv_dontwait, "recv(MSG_DONTWAIT)"),
    BYTES("recv-trunc:N", in_recv_trunc, "recv(MSG_TRUNC), discards"),
    BYTES("recv-oob:N", in_recv_oob, "recv(MSG_OOB)"),
    BYTES("recvfrom:N", in_recvfrom, "recvfrom()"),
    BYTES("recvmsg:N", in_recvmsg, "recvmsg()"),
    BYTES("recvmsg-peek:N", in_recvmsg_peek, "recvmsg(MSG_PEEK)"),
    BYTES("recv-errqueue:N", in_recv_errqueue, "recvmsg(MSG_ERRQUEUE)"),
    BYTES("recvmmsg:N", in_recvmmsg, "recvmmsg()"),
    BYTES("read_chk:N", in_read_chk, "__read_chk()"),
    BYTES("recv_chk:N", in_recv_chk, "__recv_chk()"),
    BYTES("recvfrom_chk:N", in_recvfrom_chk, "__recvfrom_chk()"),
    BYTES("splice-in:N", in_splice, "splice() from the fd"),
    /* bytes out, one call */
    BYTES("write:N", out_write, "write()"),
    BYTES("write-raw:N", out_write_raw, "the system call"),
    BYTES("writev:N", out_writev, "writev()"),
    BYTES("pwritev2:N", out_pwritev2, "pwritev2()"),
    BYTES("send:N", out_send, "send()"),
    BYTES("sendto:N", out_sendto, "sendto()"),
    BYTES("sendmsg:N", out_sendmsg, "sendmsg()"),
    BYTES("sendmmsg:N", out_sendmmsg, "sendmmsg()"),
    BYTES("sendfile:N", out_sendfile, "sendfile() from a memory file"),
    BYTES("sendfile64:N", out_sendfile64, "sendfile64()"),
    BYTES("splice:N", out_splice, "splice() to the fd"),
    BYTES("oob:N", out_oob, "send(MSG_OOB)"),
    BYTES("dprintf:N", out_dprintf, "dprintf()"),
    /* bytes, many calls */
    STEP("readn:N", step_readn, "read() until N bytes; prints how many, and the error"),
    STEP("readall", step_readall, "read() to the end; prints how many, and EOF or the error"),
    STEP("readslow:N:MS", step_readslow, "the same, N bytes at a time, after pauses"),
    STEP("writen:N", step_writen, "write() until N bytes; prints how many, and the error"),
    /* ends */
    STEP("shutdown:HOW", step_shutdown, "shutdown(): rd, wr, rdwr"),
    STEP("close", step_close, "close()"),
    STEP("close-timed", step_close_timed, "the same; prints us=N"),
    STEP("close-raw", step_close_raw, "the system call"),
    STEP("close-number", step_close_number, "syscall(SYS_close), through libc"),
    STEP("close-uring", step_close_uring, "by io_uring"),
    STEP("close_range:FD:FD[:FLAGS]", step_close_range, "FLAGS: cloexec+unshare, or a number"),
    STEP("closefrom:FD", step_closefrom, "closefrom()"),
    STEP("fdopen[:MODE]", step_fdopen, "the stream is fdopen(fd, MODE), default w"),
    STEP("fprintf:N", step_fprintf, "N bytes into the stream, which buffers 65536"),
    STEP("fread:N", step_fread, "fread() from the stream"),
    STEP("fgets:N", step_fgets, "fgets() of a line of less than N bytes; prints its length"),
    STEP("fflush", step_fflush, "fflush() of the stream"),
    STEP("fclose", step_fclose, "fclose() of the stream"),
    STEP("freopen:PATH...", step_freopen, "freopen() of the stream"),
    STEP("freopen64:PATH...", step_freopen64, "freopen64() of the stream"),
    /* observe and wait */
    STEP("state", step_state, "TCP_INFO's state"),
    STEP("wait-state:STATE[:MS]", step_wait_state, "until that state, or `timeout STATE`"),
    STEP("unread", step_unread, "SIOCINQ"),
    STEP("wait-unread:N[:MS]", step_wait_unread, "until SIOCINQ is N or more"),
    STEP("wait-acked[:MS]", step_wait_acked, "until nothing is unacked or unsent"),
    STEP("poll:EVENTS:MS", step_poll, "poll() for IN+OUT+RDHUP+PRI; prints what it returned"),
    STEP("epoll:EVENTS:MS", step_epoll, "the same by epoll_wait()"),
    STEP("select:MS", step_select, "select() for input"),
    STEP("sleep:MS", step_sleep, "nanosleep() (silent)"),
    STEP("sync:PATH...", step_sync, "make the file, for another script's wait-file"),
    STEP("wait-file:PATH[:MS]", step_wait_file, "until the file exists"),
    STEP("compute:PATH", step_compute, "the same, without a libc call"),
    /* blocks, processes, threads */
    STEP("loop:N[:loud]", step_loop, "the steps up to `end`, N times, unseen; prints errors=N"),
    STEP("fork[:HOW]", step_fork, "a child runs the steps up to `end`; HOW: _Fork, raw"),
    STEP("thread", step_thread, "a thread runs the steps up to `end`"),
    STEP("end", step_end, "of loop, fork, thread; they nest"),
    STEP("join", step_join, "wait for the threads"),
    STEP("lock", step_lock, "pthread_mutex_lock()"),
    STEP("unlock", step_unlock, "pthread_mutex_unlock()"),
    STEP("wait", step_wait, "wait for one child; prints exit=N or signal=NAME"),
    STEP("vfork-close", step_vfork_close, "a child of vfork() closes the fd"),
    STEP("daemon", step_daemon, "daemon(): the script continues in the child"),
    STEP("exec:PROGRAM...", step_exec, "execvp(), with all words that follow; fd in $ACT_FD"),
    STEP("spawn:COMMAND...", step_spawn, "posix_spawn() of sh -c; fd in $ACT_FD"),
    STEP("system:COMMAND...", step_system, "system(); fd in $ACT_FD"),
    STEP("quiet", step_quiet, "print no more lines (silent)"),
    STEP("loud", step_loud, "print them again (silent)"),
    STEP("say:TEXT...", step_say, "print TEXT"),
    STEP("time-limit:S", step_time_limit, "end in S seconds, not 120 after the start (silent)"),
    /* signals and the end of the process */
    STEP("sigpipe", step_sigpipe, "SIGPIPE, ignored at first, kills (silent)"),
    STEP("sigpipe-count", step_sigpipe_count, "from now on count SIGPIPE; prints the count"),
    STEP("signal-count:SIGNAL", step_signal_count, "the same for TERM, USR1..."),
    STEP("signal-close:SIGNAL", step_signal_close, "its handler closes the fd (silent)"),
    STEP("kill:SIGNAL", step_kill, "kill() itself"),
    STEP("kill-child:SIGNAL", step_kill_child, "kill() the child made last"),
    STEP("exit[:N]", step_exit, "exit()"),
    STEP("_exit[:N]", step__exit, "_exit()"),
    STEP("quick_exit[:N]", step_quick_exit, "quick_exit()"),
    STEP("abort", step_abort, "abort()"),
};

enum { VERBS = sizeof verbs / sizeof verbs[0] };

static char **words;       /* the script as given */
static struct step *steps; /* the same, read */
static int step_count;

/* --- reading the script --- */

static const struct verb *find_verb(const char *word, size_t length)
{
    for (int i = 0; i < VERBS; i++)
        if (verb_length(&verbs[i]) == length && strncmp(verbs[i].usage, word, length) == 0)
            return &verbs[i];
    die("no step '%s'; see act --help", word);
}

/* Splits a copy of the text at colons outside brackets. */
static void split(struct step *s)
{
    char *p = s->copy = strdup(s->text);

    while (p && s->args < MAX_ARGS) {
        char *close = *p == '[' ? strchr(p, ']') : NULL;
        char *colon = strchr(close ? close : p, ':');

        if (colon)
            *colon = '\0';
        if (close)
            *close = '\0';
        s->arg[s->args++] = close ? p + 1 : p;
        p = colon ? colon + 1 : NULL;
    }
}

/* Whether there are as many arguments as the usage has colons; bracketed ones may be absent. */
static bool arguments_fit(const struct step *s)
{
    int least = 0, most = 0, depth = 0;

    for (const char *p = s->verb->usage; *p; p++) {
        depth += (*p == '[') - (*p == ']');
        least += *p == ':' && depth == 0;
        most += *p == ':';
    }
    return s->args >= least && (s->args <= most || strstr(s->verb->usage, "..."));
}

static struct step read_step(char *word)
{
    size_t length = strlen(word);
    struct step s = {.reg = -1, .match = -1};

    if (length > 2 && word[length - 2] == '@' && word[length - 1] >= 'a' &&
        word[length - 1] <= 'z') {
        s.reg = word[length - 1] - 'a';
        word[length - 2] = '\0';
    }
    s.verb = find_verb(word, strcspn(word, ":"));
    s.text = word + strcspn(word, ":");
    if (*s.text == ':') {
        s.text++;
        split(&s);
    }
    if (!arguments_fit(&s))
        die("'%s' is to be %s", word, s.verb->usage);
    return s;
}

static bool starts_block(const struct step *s)
{
    return s->verb->run == step_loop || s->verb->run == step_fork ||
           s->verb->run == step_thread;
}

/* Fills in where the block that starts at i ends, and those inside; returns its end. */
static int match_block(int i)
{
    int start = i;

    while (++i < step_count) {
        if (steps[i].verb->run == step_end)
            return steps[start].match = i;
        if (starts_block(&steps[i]))
            i = match_block(i);
    }
    die("no 'end' for '%s'", words[start]);
}

static void read_script(int count, char **given)
{
    words = given;
    steps = calloc((size_t)count + 1, sizeof *steps);
    for (step_count = 0; steps && step_count < count; step_count++) {
        steps[step_count] = read_step(given[step_count]);
        if (steps[step_count].verb->run == step_exec) {
            step_count++;
            break; /* the rest are its arguments */
        }
    }
    for (int i = 0; i < step_count; i++)
        if (starts_block(&steps[i]))
            i = match_block(i);
}

/* --- running it --- */

static void run_steps(struct act *a, int from, int to)
{
    for (a->pc = from; a->pc < to; a->pc++) {
        const struct step *s = &steps[a->pc];

        errno = 0;
        s->verb->run(a, s);
    }
}

static char **words_after(int i)
{
    return words + i + 1;
}

static void step_end(struct act *a, const struct step *s)
{
    (void)a;
    (void)s;
    die("'end' without a start");
}

static void on_alarm(int sig)
{
    static const char message[] = "act: time is over\n";

    (void)sig;
    (void)raw_syscall(SYS_write, STDERR_FILENO, message, sizeof message - 1);
    _exit(124);
}

static int help(void)
{
    puts("act STEP...: carry out the steps and print what each returned.\n"
         "A step works on the register in use (a at first), or on x if it ends in @x.\n");
    for (int i = 0; i < VERBS; i++) {
        int length = (int)strcspn(verbs[i].usage, ".");

        printf("  %-30.*s %s\n", length, verbs[i].usage, verbs[i].help);
    }
    return 0;
}

int main(int argc, char **argv)
{
    struct act a = {.last = -1, .prefix = ""};

    if (argc < 2 || strcmp(argv[1], "--help") == 0)
        return help();
    for (int i = 0; i < REGISTERS; i++)
        a.reg[i] = -1;
    read_script(argc - 1, argv + 1);
    handle(SIGALRM, on_alarm);
    handle(SIGPIPE, SIG_IGN);
    (void)alarm(TIME_LIMIT_S);
    run_steps(&a, 0, step_count);
    return 0;
}
