/*
 * transfer's client: its ways with a connection, the threads that make them, and its report.
 */
#ifndef TRANSFER_CLIENT_H
#define TRANSFER_CLIENT_H

#include "transfer.h"

/* --- the client --- */

struct client {
    const struct mode *mode;
    union address to;
    long count, parallel, pause_ms;
    int classes; /* the sizes that it may use */
    pthread_mutex_t lock;
    pthread_cond_t done;
    long next;
    /* what it reports */
    long closed, unconnected, bytes, unsent, replies, reply_bytes_missing, slept;
    long *close_us; /* of those closed */
};

static void pause_for(long ms)
{
    struct timespec time = {ms / 1000, ms % 1000 * 1000000};

    (void)nanosleep(&time, NULL);
}

static void add(struct client *job, long *sum, size_t n)
{
    (void)pthread_mutex_lock(&job->lock);
    *sum += (long)n;
    (void)pthread_mutex_unlock(&job->lock);
}

static void use_write(struct client *job, struct conn *c, int class)
{
    add(job, &job->bytes, send_message(c, false, class));
}

static void use_reply(struct client *job, struct conn *c, int class)
{
    size_t size = size_of(false, class);

    add(job, &job->bytes, send_message(c, true, class));
    if (receive_message(c) && complete(c))
        add(job, &job->replies, 1);
    else
        tell("reply", c, c->end == SEEN_EOF ? 0 : errno);
    add(job, &job->reply_bytes_missing, c->got < size ? size - c->got : 0);
}

static void use_pause(struct client *job, struct conn *c, int class)
{
    use_write(job, c, class);
    pause_for(job->pause_ms);
}

static int dial(const struct client *job, struct conn *c)
{
    union address own = {0};
    socklen_t size = sizeof own;

    c->fd = socket(job->to.any.sa_family, SOCK_STREAM, 0);
    if (c->fd < 0)
        die("socket");
    if (connect(c->fd, &job->to.any, sizeof job->to) != 0 ||
        getsockname(c->fd, &own.any, &size) != 0)
        return -1;
    c->port = ntohs(own.v4.sin_port);
    return 0;
}

/* Times this thread has waited for anything. */
static long sleeps(void)
{
    struct rusage usage;

    (void)getrusage(RUSAGE_THREAD, &usage);
    return usage.ru_nvcsw;
}

static void close_timed(struct client *job, int fd)
{
    struct timespec from, to;
    long before = sleeps();

    (void)clock_gettime(CLOCK_MONOTONIC, &from);
    if (close(fd) != 0)
        die("close");
    (void)clock_gettime(CLOCK_MONOTONIC, &to);
    before = sleeps() - before;
    (void)pthread_mutex_lock(&job->lock);
    job->slept += before > 0;
    job->close_us[job->closed++] =
        (long)(to.tv_sec - from.tv_sec) * 1000000 + (to.tv_nsec - from.tv_nsec) / 1000;
    (void)pthread_mutex_unlock(&job->lock);
}

static void one_connection(struct client *job, long index)
{
    struct conn c = {0};

    if (dial(job, &c) == 0) {
        job->mode->use(job, &c, (int)(index % job->classes));
        add(job, &job->unsent, c.unsent);
        close_timed(job, c.fd);
    } else {
        tell("connect", &c, errno);
        (void)close(c.fd);
        add(job, &job->unconnected, 1);
    }
}

/* The next index, -1 if there is none. */
static long take_index(struct client *job)
{
    long index;

    (void)pthread_mutex_lock(&job->lock);
    index = job->next < job->count ? job->next++ : -1;
    (void)pthread_mutex_unlock(&job->lock);
    return index;
}

static void *client_thread(void *argument)
{
    struct client *job = argument;
    long index;

    while ((index = take_index(job)) >= 0) {
        one_connection(job, index);
        (void)pthread_cond_signal(&job->done);
    }
    return NULL;
}

static int by_value(const void *a, const void *b)
{
    long x = *(const long *)a, y = *(const long *)b;

    return (x > y) - (x < y);
}

static void report_client(const struct client *job)
{
    long n = job->closed, *us = job->close_us;

    qsort(us, (size_t)n, sizeof *us, by_value);
    printf("connections=%ld unconnected=%ld unfinished=%ld sent=%ld unsent=%ld replies=%ld "
           "reply_missing=%ld close_p50_us=%ld close_p90_us=%ld close_max_us=%ld slept=%ld\n",
           n, job->unconnected, job->count - n - job->unconnected, job->bytes, job->unsent,
           job->replies, job->reply_bytes_missing, n ? us[n / 2] : 0, n ? us[n * 9 / 10] : 0,
           n ? us[n - 1] : 0, job->slept);
    (void)fflush(stdout);
}

static int run_client(struct client *job)
{
    struct timespec end;

    job->close_us = calloc((size_t)job->count, sizeof *job->close_us);
    (void)pthread_mutex_init(&job->lock, NULL);
    (void)pthread_cond_init(&job->done, NULL);
    (void)clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += seconds;
    for (long i = 0; i < job->parallel; i++)
        spawn(client_thread, job);
    (void)pthread_mutex_lock(&job->lock);
    while (job->closed + job->unconnected < job->count &&
           pthread_cond_timedwait(&job->done, &job->lock, &end) == 0)
        ;
    report_client(job);
    _exit(0); /* what has not finished ends as a killed program's */
}

#endif
