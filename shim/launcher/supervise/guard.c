#include "launcher/supervise/guard.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <unistd.h>

#define GUARDS     256
#define GUARD_MS   10 /* shorter than the least age of an entry that is taken */
#define LONGEST_MS 100

/* A ring; the first one ends first. */
static struct guard {
    int fd;
    pid_t thread;
    uint64_t call; /* the thread's, for which it is held */
    int64_t since_ms, until_ms;
    struct lease_entry entry;
    struct diag_socket wanted;
} guards[GUARDS];
static unsigned first, count;

/* Which call of the program's was each thread's last; threads share places. */
#define THREADS 256

static struct {
    pid_t thread;
    uint64_t call;
} heard[THREADS];
static uint64_t calls;

void guard_heard(pid_t thread)
{
    heard[(unsigned)thread % THREADS].thread = thread;
    heard[(unsigned)thread % THREADS].call = ++calls;
}

/** The call that the thread is in; 0: not known, another thread has its place. */
static uint64_t call_of(pid_t thread)
{
    unsigned place = (unsigned)thread % THREADS;
    return heard[place].thread == thread ? heard[place].call : 0;
}

/** A thread makes one call at a time: that it has made another one tells the end of this one.
 */
static bool is_over(const struct guard *guard)
{
    uint64_t now = call_of(guard->thread);
    return now != 0 && guard->call != 0 && now != guard->call;
}

static void set(int fd, int option, int value)
{
    (void)setsockopt(fd, SOL_SOCKET, option, &value, sizeof(value));
}

static int get(int fd, int level, int option)
{
    int value = 0;
    socklen_t len = sizeof(value);
    return getsockopt(fd, level, option, &value, &len) == 0 ? value : 0;
}

static bool bind_to(int guard, uint16_t port, uint8_t family)
{
    union {
        struct sockaddr any;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
    } address = {.any.sa_family = family};
    address.in.sin_port = htons(port); /* at the same place in both families */
    socklen_t len = family == AF_INET6 ? sizeof(address.in6) : sizeof(address.in);
    return bind(guard, &address.any, len) == 0;
}

/** Two sockets of one user that both have SO_REUSEPORT share a port; a third one cannot bind it
 * without that, since the guard has no SO_REUSEADDR (inet_bind_conflict()). */
static int make(int fd, uint16_t port, uint8_t family)
{
    int guard = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (guard < 0)
        return -1;
    if (family == AF_INET6) {
        int only = get(fd, IPPROTO_IPV6, IPV6_V6ONLY);
        (void)setsockopt(guard, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof(only));
    }
    set(guard, SO_REUSEADDR, 1);
    set(guard, SO_REUSEPORT, 1);
    if (bind_to(guard, port, family)) {
        set(guard, SO_REUSEADDR, 0);
        return guard;
    }
    close(guard);
    return -1;
}

static struct guard take_first(void)
{
    struct guard guard = guards[first];
    first = (first + 1) % GUARDS;
    count--;
    return guard;
}

static void put_last(const struct guard *guard)
{
    if (count == GUARDS)
        close(take_first().fd);
    guards[(first + count++) % GUARDS] = *guard;
}

/** Whoever it is held for has not come to its connect() yet: the CPU was another's. */
static bool is_waited_for(const struct guard *guard)
{
    struct diag_socket socket = guard->wanted;
    if (is_over(guard) || !lease_look(&socket, guard->entry.port))
        return false;
    return guard->entry.cookie == 0
               ? socket.state == STATE_CLOSE
               : socket.state == STATE_TIME_WAIT && diag_cookie(&socket) == guard->entry.cookie;
}

void guard_hold(int fd, pid_t thread, const struct lease_entry *entry,
                const struct diag_socket *wanted, uint8_t family, int64_t now_ms)
{
    int had = get(fd, SOL_SOCKET, SO_REUSEPORT);
    set(fd, SO_REUSEPORT, 1);
    struct guard guard = {.fd = make(fd, entry->port, family),
                          .thread = thread,
                          .call = call_of(thread),
                          .since_ms = now_ms,
                          .until_ms = now_ms + GUARD_MS,
                          .entry = *entry,
                          .wanted = *wanted};
    set(fd, SO_REUSEADDR, 1);
    if (!had)
        set(fd, SO_REUSEPORT, 0);
    if (guard.fd >= 0)
        put_last(&guard);
}

int guard_expire(int64_t now_ms)
{
    while (count > 0 && now_ms >= guards[first].until_ms) {
        struct guard guard = take_first();
        guard.until_ms = now_ms + GUARD_MS;
        if (now_ms < guard.since_ms + LONGEST_MS && is_waited_for(&guard))
            put_last(&guard);
        else
            close(guard.fd);
    }
    return count > 0 ? (int)(guards[first].until_ms - now_ms) : -1;
}
