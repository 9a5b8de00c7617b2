/*
 * The fact about a race: whether a peer's FIN comes between our shutdown() and our close().
 */
#ifndef FACTS_RACE_H
#define FACTS_RACE_H

#include "facts.h"

#include <sched.h>

#define RACES 20

/** shutdown(SHUT_WR), at once an abortive close: whether TIME_WAIT is left. */
static bool leaves_time_wait(struct pair *p)
{
    shutdown(p->ours, SHUT_WR);
    set_linger(p->ours, 1, 0);
    close(p->ours);
    int state = kept_here(p);
    HOLDS(state == 0 || state == TCP_TIME_WAIT);
    return state;
}

/** A peer that answers each FIN by its own. */
static void answer(const struct pair *p)
{
    for (;;) {
        int fd = accept(p->listener, NULL, NULL);
        while (read(fd, buf, sizeof(buf)) > 0) {
        }
        close(fd);
    }
}

static void connect_ours(struct pair *p)
{
    socklen_t len = sizeof(p->from);
    p->ours = tcp_socket();
    HOLDS(connect(p->ours, (struct sockaddr *)&p->to, sizeof(p->to)) == 0);
    HOLDS(getsockname(p->ours, (struct sockaddr *)&p->from, &len) == 0);
}

/** How many of so many connections end in TIME_WAIT; one before them shows that the peer runs.
 */
static int lost(struct pair *p)
{
    int sum = 0;
    connect_ours(p);
    HOLDS(shutdown(p->ours, SHUT_WR) == 0 && read(p->ours, buf, 1) == 0 && close(p->ours) == 0);
    for (int i = 0; i < RACES; i++) {
        connect_ours(p);
        sum += leaves_time_wait(p);
    }
    return sum;
}

/** How one of two gives way to the other. */
enum way { BY_PRIORITY, BY_IDLENESS };

/** On this CPU alone, where one of the two comes first as soon as it wants to run: by
 * SCHED_FIFO; the other has a lower priority of that, or, as where this user may not have it,
 * SCHED_IDLE. By priority no other program delays them; by idleness ksoftirqd, which brings
 * packets on a slow machine, comes before the other, too. */
static void run_on(size_t cpu, bool first, enum way way)
{
    const struct sched_param priority = {first ? 2 : 1}, none = {0};
    cpu_set_t only;
    CPU_ZERO(&only);
    CPU_SET(cpu, &only);
    HOLDS(sched_setaffinity(0, sizeof(only), &only) == 0);
    bool may = (first || way == BY_PRIORITY) && !sched_setscheduler(0, SCHED_FIFO, &priority);
    HOLDS(may || first || sched_setscheduler(0, SCHED_IDLE, &none) == 0);
}

/** The same, where both ends share a CPU, and the peer comes first there, or we do. */
static int lost_if(bool peer_first, enum way way)
{
    struct pair p = listening();
    int here = sched_getcpu(), status = -1;
    size_t cpu = here < 0 ? 0 : (size_t)here;
    pid_t peer = child();
    if (peer == 0) {
        run_on(cpu, peer_first, way);
        answer(&p);
    }
    pid_t us = child();
    if (us == 0) {
        run_on(cpu, !peer_first, way);
        _exit(100 + lost(&p));
    }
    HOLDS(waitpid(us, &status, 0) == us && WIFEXITED(status) && WEXITSTATUS(status) >= 100);
    end(peer);
    close(p.listener);
    return WEXITSTATUS(status) - 100;
}

/** Without any pause between shutdown(SHUT_WR) and the abortive close it is the scheduler that
 * decides: TIME_WAIT is left where the peer runs in between, and none where it does not. What
 * else the machine does may delay packets, so that one round of ten must show it. */
static void fact_5(void)
{
    struct pair unanswered = connected();
    int peer_first = 0, we_first = RACES;
    HOLDS(!leaves_time_wait(&unanswered));
    for (int i = 0; i < 10 && (peer_first < RACES * 3 / 4 || we_first > RACES / 4); i++) {
        enum way way = i % 2 ? BY_IDLENESS : BY_PRIORITY;
        peer_first = lost_if(true, way), we_first = lost_if(false, way);
        printf("of %d in TIME_WAIT: %d where the peer comes first, %d where we do\n", RACES,
               peer_first, we_first);
    }
    HOLDS(peer_first >= RACES * 3 / 4);
    HOLDS(we_first <= RACES / 4);
}

#endif
