/*
 * facts about the close: what the kernel sends, what the peer gets, what is left.
 */
#ifndef FACTS_CLOSE_H
#define FACTS_CLOSE_H

#include "facts.h"

#include <linux/filter.h>
#include <sys/epoll.h>

/** Whatever comes for this socket is dropped, as if it were lost on its way; or no more. */
static void lose(int fd, bool all)
{
    struct sock_filter nothing = BPF_STMT(BPF_RET | BPF_K, 0);
    struct sock_fprog program = {1, &nothing};
    HOLDS(setsockopt(fd, SOL_SOCKET, all ? SO_ATTACH_FILTER : SO_DETACH_FILTER, &program,
                     sizeof(program)) == 0);
}

/** A connection with TCP_LINGER2 -1. */
static struct pair with_linger2(void)
{
    struct pair p = connected();
    set(p.ours, IPPROTO_TCP, TCP_LINGER2, -1);
    return p;
}

/** One RST, and nothing is left; the peer has got that many bytes, and its EOF. */
static void ends_by_reset(struct pair *p, long before, size_t bytes)
{
    HOLDS(becomes(kept_here, p, 0) && sends_resets(before + 1));
    HOLDS(received(p->peers) == bytes && errno == 0);
    close(p->peers), close(p->listener);
}

/** Data and FIN are lost: they are sent again, and there is no RST before they have come. */
static void sent_again(void)
{
    struct pair p = with_linger2();
    long before = resets();
    lose(p.peers, true);
    HOLDS(write(p.ours, buf, 30000) == 30000 && close(p.ours) == 0);
    sleep_ms(20);
    HOLDS(kept_here(&p) == TCP_FIN_WAIT1 && resets() == before);
    lose(p.peers, false);
    ends_by_reset(&p, before, 30000);
}

/** A peer that does not read: close() returns while all is still to be sent. */
static void does_not_block(void)
{
    struct pair p = with_linger2();
    long before = resets();
    size_t bytes = fill(p.ours);
    HOLDS(fcntl(p.ours, F_SETFL, 0) == 0 && close(p.ours) == 0);
    HOLDS(kept_here(&p) == TCP_FIN_WAIT1 && resets() == before);
    HOLDS(received(p.peers) == bytes && errno == 0);
    ends_by_reset(&p, before, 0);
}

/** The peer sends after our close, while ours is unacknowledged: RST, and the rest of ours is
 * dropped; as after a plain close. */
static void late_data(bool linger2)
{
    struct pair p = linger2 ? with_linger2() : connected();
    long before = resets();
    size_t bytes = fill(p.ours);
    HOLDS(close(p.ours) == 0 && kept_here(&p) == TCP_FIN_WAIT1);
    HOLDS(write(p.peers, buf, 1) == 1);
    HOLDS(becomes(kept_here, &p, 0) && sends_resets(before + 1));
    HOLDS(received(p.peers) < bytes && errno == ECONNRESET);
    HOLDS(send(p.peers, buf, 1, MSG_NOSIGNAL) == -1 && errno == EPIPE);
}

static void by_exit(int fd)
{
    (void)fd;
    exit(0);
}

static void by_kill(int fd)
{
    (void)fd;
    (void)kill(getpid(), SIGKILL);
}

/** The program goes on without the socket, which is O_CLOEXEC: `facts wait`. */
static void by_exec(int fd)
{
    (void)fd;
    (void)execl("/proc/self/exe", "facts", "wait", (char *)NULL);
}

/** libc's own call of close(). */
static void inside_libc(int fd)
{
    (void)fclose(fdopen(fd, "w"));
}

static void waits(void)
{
    pause();
}

/** The option is set at birth; the close that counts is the last holder's, in whatever way. */
static void last_close(void (*way)(int fd))
{
    struct pair p = with_linger2();
    long before = resets();
    int go[2];
    HOLDS(pipe2(go, O_CLOEXEC) == 0);
    pid_t holder = child();
    if (holder == 0) {
        close(p.peers), close(p.listener);
        HOLDS(read(go[0], buf, 1) == 1 && write(p.ours, buf, 1000) == 1000);
        way(p.ours);
        waits();
    }
    HOLDS(close(p.ours) == 0 && kept_here(&p) == TCP_ESTABLISHED && resets() == before);
    HOLDS(write(go[1], buf, 1) == 1);
    ends_by_reset(&p, before, 1000);
    end(holder);
    close(go[0]), close(go[1]);
}

/** TCP_LINGER2 -1: the kernel sends all and the FIN until they are acknowledged, then RST; no
 * TIME_WAIT; the peer gets all and its EOF. */
static void fact_1(void)
{
    struct pair p = with_linger2();
    long before = resets();
    HOLDS(write(p.ours, buf, 30000) == 30000 && close(p.ours) == 0);
    ends_by_reset(&p, before, 30000);
    sent_again();
    does_not_block();
    last_close(by_exit);
    last_close(by_kill);
    last_close(by_exec);
    last_close(inside_libc);
    late_data(true);
    late_data(false);
}

/** What epoll says of a socket, of these. */
static uint32_t epoll_says(int fd)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP}, said = {0};
    int watch = epoll_create1(EPOLL_CLOEXEC);
    HOLDS(watch >= 0 && epoll_ctl(watch, EPOLL_CTL_ADD, fd, &event) == 0);
    HOLDS(epoll_wait(watch, &said, 1, 0) == 1);
    close(watch);
    return said.events & (EPOLLIN | EPOLLERR | EPOLLHUP);
}

/** CLOSE, ENOTCONN, ERR and HUP, EPIPE; its 1,000 bytes and a clean EOF. */
static void is_behind(int fd)
{
    struct pollfd event = {.fd = fd, .events = POLLIN};
    struct sockaddr_in name;
    socklen_t len = sizeof(name);
    int unread = 0;
    HOLDS(state_of(fd) == TCP_CLOSE);
    HOLDS(getpeername(fd, (struct sockaddr *)&name, &len) == -1 && errno == ENOTCONN);
    HOLDS(ioctl(fd, FIONREAD, &unread) == 0 && unread == 1000);
    HOLDS(poll(&event, 1, 0) == 1);
    HOLDS((event.revents & (POLLIN | POLLERR | POLLHUP)) == (POLLIN | POLLERR | POLLHUP));
    HOLDS(epoll_says(fd) == (EPOLLIN | EPOLLERR | EPOLLHUP));
    HOLDS(shutdown(fd, SHUT_RD) == -1 && errno == ENOTCONN);
    HOLDS(shutdown(fd, SHUT_WR) == -1 && errno == ENOTCONN);
    HOLDS(send(fd, buf, 1, MSG_NOSIGNAL) == -1 && errno == EPIPE);
    HOLDS(received(fd) == 1000 && errno == 0);
}

/** A peer that is behind: it has not read yet, or not even accepted. */
static void fact_2(void)
{
    struct pair p = with_linger2(), late = listening();
    socklen_t len = sizeof(late.from);
    HOLDS(write(p.ours, buf, 1000) == 1000 && close(p.ours) == 0);
    HOLDS(becomes(kept_there, &p, 0));
    is_behind(p.peers);

    late.ours = tcp_socket();
    set(late.ours, IPPROTO_TCP, TCP_LINGER2, -1);
    HOLDS(connect(late.ours, (struct sockaddr *)&late.to, sizeof(late.to)) == 0);
    HOLDS(getsockname(late.ours, (struct sockaddr *)&late.from, &len) == 0);
    HOLDS(becomes(kept_there, &late, TCP_ESTABLISHED));
    HOLDS(write(late.ours, buf, 1000) == 1000 && close(late.ours) == 0);
    HOLDS(becomes(kept_there, &late, 0));
    late.peers = accept(late.listener, NULL, NULL);
    HOLDS(late.peers >= 0);
    is_behind(late.peers);
}

/** RST: queued data, then ECONNRESET; an orphan in FIN_WAIT2 is freed; a half-closed one reads.
 */
static void fact_3(void)
{
    struct pair p = connected(), closed = connected(), half = connected();
    HOLDS(write(p.ours, buf, 100) == 100);
    set_linger(p.ours, 1, 0);
    close(p.ours);
    HOLDS(read(p.peers, buf, 200) == 100);
    HOLDS(read(p.peers, buf, 1) == -1 && errno == ECONNRESET);
    close(closed.peers);
    HOLDS(becomes(kept_there, &closed, TCP_FIN_WAIT2));
    set_linger(closed.ours, 1, 0);
    close(closed.ours);
    HOLDS(becomes(kept_there, &closed, 0));
    shutdown(half.peers, SHUT_WR);
    HOLDS(read(half.ours, buf, 1) == 0);
    set_linger(half.ours, 1, 0);
    close(half.ours);
    HOLDS(read(half.peers, buf, 1) == -1 && errno == ECONNRESET);
}

/** After shutdown(SHUT_WR) the peer's FIN makes TIME_WAIT, which no option undoes. */
static void fact_4(void)
{
    struct pair p = connected();
    shutdown(p.ours, SHUT_WR);
    close(p.peers);
    HOLDS(becomes(kept_here, &p, TCP_TIME_WAIT) && state_of(p.ours) == TCP_CLOSE);
    set(p.ours, IPPROTO_TCP, TCP_LINGER2, -1);
    set_linger(p.ours, 1, 0);
    close(p.ours);
    sleep_ms(50);
    HOLDS(kept_here(&p) == TCP_TIME_WAIT);
}

/** close() with a byte of unread input, urgent or not: RST, and our unsent data is dropped. */
static void unread_resets(int flags)
{
    struct pair p = connected();
    size_t bytes = fill(p.ours);
    long before = resets();
    int unread = -1;
    HOLDS(send(p.peers, buf, 1, flags) == 1);
    HOLDS(poll(&(struct pollfd){.fd = p.ours, .events = POLLIN | POLLPRI}, 1, 5000) == 1);
    HOLDS(ioctl(p.ours, FIONREAD, &unread) == 0 && unread == (flags & MSG_OOB ? 0 : 1));
    HOLDS(close(p.ours) == 0 && kept_here(&p) == 0 && resets() == before + 1);
    HOLDS(received(p.peers) < bytes && errno == ECONNRESET);
}

/** Input is discarded, an urgent byte, too: no RST, and our data arrives. */
static void discarded(void)
{
    struct pair p = connected();
    long before = resets();
    ssize_t n, sum = 0;
    HOLDS(send(p.peers, buf, 1, MSG_OOB) == 1);
    HOLDS(poll(&(struct pollfd){.fd = p.ours, .events = POLLPRI}, 1, 5000) == 1);
    HOLDS(write(p.peers, buf, 1000) == 1000);
    sleep_ms(50);
    while ((n = recv(p.ours, NULL, 65536, MSG_TRUNC | MSG_DONTWAIT)) > 0)
        sum += n;
    HOLDS(n == -1 && errno == EAGAIN && sum == 1000);
    HOLDS(write(p.ours, buf, 1000) == 1000 && close(p.ours) == 0);
    HOLDS(received(p.peers) == 1000 && errno == 0 && resets() == before);
}

/** Unread input makes close() reset; MSG_TRUNC discards it, and an urgent byte. */
static void fact_7(void)
{
    unread_resets(0);
    unread_resets(MSG_OOB);
    discarded();
}

#endif
