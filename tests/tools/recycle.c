/*
 * recycle: many short connections to a server of its own, and what became of each connect().
 *
 * `recycle n=1000 threads=8`: see `words` below. Each connection sends a line and closes first,
 * so that TIME_WAIT stays here; the server reads to the end, then closes (with `last` it closes
 * first, and TIME_WAIT is there). Prints a word=number
 * pair per line. Times are connect()'s, in us.
 */
#include "recycle.h"

#include "recycle_server.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/time.h>

/* The clients are at most so many connections ahead of the server. */
#define AHEAD 16

static struct shared *shared;
static pthread_barrier_t all_hold;

static void note(struct worker *worker, int error, int64_t ns, uint16_t port)
{
    unsigned long at = atomic_fetch_add(&shared->connects, 1);
    if (worker->done >= (unsigned long)word("warm"))
        shared->ns[at] = (uint32_t)(ns > UINT32_MAX ? UINT32_MAX : ns);
    if (error == EADDRNOTAVAIL)
        atomic_fetch_add(&shared->none_free, 1);
    if (error) {
        atomic_fetch_add(&shared->failed, 1);
        atomic_store(&shared->error, error);
    } else
        atomic_store(&shared->ports[port], true);
    worker->done++;
}

/** Connections, without those that stay open. */
static long not_held(void)
{
    return (long)(shared->connects - shared->failed) -
           word("hold") * word("processes") * word("threads");
}

/** Waits until the server has ended all but so many, or it ends none for 3 s: its counts follow
 * our close, and while it is behind ports are in FIN_WAIT2, where they are nobody's (fact 16).
 */
static void wait_for_server(long most)
{
    long last = -1;
    for (int idle = 0; idle < 3000 && !word("deaf") && !word("remote"); idle++) {
        long ended = shared->whole + shared->broken;
        if (not_held() - ended <= most)
            return;
        if (ended != last)
            idle = 0;
        last = ended;
        usleep(1000);
    }
}

/** connect(), and for a non-blocking socket its end. 0 or an errno. */
static int connect_whole(int fd, const struct sockaddr_storage *to)
{
    socklen_t len = sizeof(struct sockaddr_in6);
    if (connect(fd, (const struct sockaddr *)to, len) == 0)
        return 0;
    if (errno != EINPROGRESS)
        return errno;
    struct pollfd event = {.fd = fd, .events = POLLOUT};
    int error = 0;
    socklen_t size = sizeof(error);
    poll(&event, 1, 60000);
    getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
    return error;
}

static uint16_t port_of(int fd)
{
    struct sockaddr_in6 local = {0};
    socklen_t len = sizeof(local);
    getsockname(fd, (struct sockaddr *)&local, &len);
    return ntohs(local.sin6_port);
}

/** One connection from birth to close; with `keep` it stays open. */
static void connect_once(struct worker *worker, bool keep)
{
    const struct server *servers = word("mapped") ? &shared->server : &server;
    const struct sockaddr_storage *to = &servers->at[worker->done % servers->count];
    int type = SOCK_STREAM | SOCK_CLOEXEC | (word("nonblock") ? SOCK_NONBLOCK : 0);
    int fd = socket(to->ss_family, type, 0);
    REQUIRE(fd >= 0);
    if (word("device"))
        REQUIRE(setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "veth77", 7) == 0);
    int64_t begin = now_ns();
    int error = connect_whole(fd, to);
    int64_t end = now_ns();
    note(worker, error, end - begin, error ? 0 : port_of(fd));
    if (keep && !word("last"))
        return;
    if (!error)
        REQUIRE(write(fd, MESSAGE, strlen(MESSAGE)) == (ssize_t)strlen(MESSAGE));
    if (!error && word("wait")) {
        char byte;
        REQUIRE(shutdown(fd, SHUT_WR) == 0 && read(fd, &byte, 1) == 0);
    }
    if (!error && word("last")) {
        char byte;
        (void)!read(fd, &byte, 1);
    }
    worker->held = fd;
    if (keep)
        return;
    close(fd);
    wait_for_server(AHEAD + word("processes") * word("threads"));
}

/** Whatever the handler's thread is doing, it may be in connect(). */
static void connect_in_handler(int signal)
{
    static struct worker worker;
    int saved = errno;
    (void)signal;
    if (worker.done < (unsigned long)word("n"))
        connect_once(&worker, false);
    errno = saved;
}

static void start_signals(void)
{
    struct sigaction action = {.sa_handler = connect_in_handler, .sa_flags = SA_RESTART};
    struct itimerval timer = {{0, word("signals")}, {0, word("signals")}};
    REQUIRE(sigaction(SIGALRM, &action, NULL) == 0);
    REQUIRE(setitimer(ITIMER_REAL, &timer, NULL) == 0);
}

static void stop_signals(void)
{
    struct itimerval none = {0};
    setitimer(ITIMER_REAL, &none, NULL);
}

static void *work(void *argument)
{
    struct worker *worker = argument;
    for (long i = 0; i < word("hold"); i++)
        connect_once(worker, true);
    if (word("hold") && word("last")) {
        pthread_barrier_wait(&all_hold);
        close(worker->held);
    }
    for (long i = 0; i < word("n"); i++) {
        connect_once(worker, false);
        if (word("pause"))
            usleep((useconds_t)word("pause"));
    }
    return NULL;
}

/** A child has the fds that the threads have: but no netlink socket of theirs. */
static void fork_once(void)
{
    pid_t pid = fork();
    REQUIRE(pid >= 0);
    for (int fd = 3; pid == 0 && fd < 64; fd++) {
        int domain = 0;
        socklen_t len = sizeof(domain);
        getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len);
        atomic_fetch_add(&shared->leaked, domain == AF_NETLINK);
    }
    if (pid == 0)
        _exit(0);
    REQUIRE(waitpid(pid, NULL, 0) == pid);
}

static void work_in_threads(void)
{
    long threads = word("threads");
    pthread_t ids[threads];
    struct worker workers[threads];
    memset(workers, 0, sizeof(workers));
    REQUIRE(pthread_barrier_init(&all_hold, NULL, (unsigned)threads) == 0);
    if (word("signals"))
        start_signals();
    for (long i = 0; i < threads; i++)
        REQUIRE(pthread_create(&ids[i], NULL, work, &workers[i]) == 0);
    for (int i = 0; i < 300 && word("forks"); i++)
        fork_once();
    for (long i = 0; i < threads; i++)
        pthread_join(ids[i], NULL);
    stop_signals();
}

/** As a sandbox does, and systemd's RestrictAddressFamilies. */
static void refuse_netlink(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_socket, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_NETLINK, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (uint32_t)word("blind")),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof(filter) / sizeof(filter[0]), filter};
    REQUIRE(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    REQUIRE(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
}

/** A process that is loaded anew, and inherits `shared` and the addresses by an fd. */
static void exec_worker(char **argv)
{
    char fds[32];
    (void)snprintf(fds, sizeof(fds), "%d", shared->fd);
    setenv("RECYCLE_WORKER", fds, 1);
    if (word("blind"))
        refuse_netlink();
    execv("/proc/self/exe", argv);
    _exit(127);
}

static void run_process(char **argv)
{
    pid_t pid = fork();
    REQUIRE(pid >= 0);
    if (pid > 0)
        return;
    if (word("exec"))
        exec_worker(argv);
    work_in_threads();
    _exit(0);
}

/** Of this process' group: the server is in one of its own. */
static void wait_one(void)
{
    int status;
    REQUIRE(waitpid(0, &status, 0) > 0);
    REQUIRE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/** At most `processes` at once, `runs` times as many in all. */
static void run_processes(char **argv)
{
    long all = word("processes") * word("runs");
    for (long i = 0; i < all; i++) {
        if (i >= word("processes"))
            wait_one();
        run_process(argv);
    }
    for (long i = 0; i < word("processes"); i++)
        wait_one();
}

static int compare(const void *a, const void *b)
{
    uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
    return (left > right) - (left < right);
}

static void print_times(void)
{
    unsigned long count = 0;
    for (unsigned long i = 0; i < shared->connects; i++)
        if (shared->ns[i])
            shared->ns[count++] = shared->ns[i];
    qsort(shared->ns, count, sizeof(shared->ns[0]), compare);
    static const double quantiles[] = {50, 90, 99, 99.9, 100};
    for (size_t i = 0; i < sizeof(quantiles) / sizeof(quantiles[0]) && count; i++)
        printf("p%g=%.1f\n", quantiles[i],
               shared->ns[(unsigned long)((double)(count - 1) * quantiles[i] / 100)] / 1e3);
}

static void print_all(int64_t ns)
{
    unsigned long ports = 0;
    for (unsigned i = 0; i < 65536; i++)
        ports += shared->ports[i];
    printf("connects=%lu\nfailed=%lu\nEADDRNOTAVAIL=%lu\nports=%lu\nleaked=%lu\nms=%ld\n",
           shared->connects, shared->failed, shared->none_free, ports, shared->leaked,
           (long)(ns / 1000000));
    printf("error=%s\n", shared->error ? strerrorname_np(shared->error) : "none");
    print_times();
    printf("whole=%ld\nbroken=%ld\n", shared->whole, shared->broken);
}

/** What it had open is closed by then, and the RST of what it had not read are counted. */
static void server_end(pid_t pid)
{
    if (pid)
        REQUIRE(kill(pid, SIGKILL) == 0 && waitpid(pid, NULL, 0) == pid);
}

static void map_shared(int fd)
{
    size_t connects = (size_t)((word("n") + word("hold")) * word("threads") *
                               word("processes") * word("runs"));
    connects *= word("signals") ? 2 : 1;
    size_t size = sizeof(*shared) + connects * sizeof(shared->ns[0]);
    REQUIRE(ftruncate(fd, (off_t)size) == 0);
    shared = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    REQUIRE(shared != MAP_FAILED);
    shared->fd = fd;
}

/** Until its time is over or its standard input ends. */
static int serve_alone(void)
{
    pid_t pid = server_start(shared);
    struct pollfd end = {.fd = STDIN_FILENO, .events = POLLIN};
    poll(&end, 1, (int)word("serve") * 1000);
    return kill(pid, SIGKILL);
}

int main(int argc, char **argv)
{
    read_words(argc, argv);
    const char *inherited = getenv("RECYCLE_WORKER");
    map_shared(inherited ? (int)strtol(inherited, NULL, 10) : memfd_create("recycle", 0));
    if (inherited) {
        server = shared->server;
        work_in_threads();
        return 0;
    }
    signal(SIGPIPE, SIG_IGN);
    if (word("serve"))
        return serve_alone();
    pid_t pid = word("remote") ? 0 : server_start(shared);
    if (!pid)
        server_elsewhere();
    int64_t begin = now_ns();
    if (word("processes") * word("runs") == 1)
        work_in_threads();
    else
        run_processes(argv);
    int64_t end = now_ns();
    wait_for_server(0);
    server_end(pid);
    print_all(end - begin);
    return 0;
}
