/*
 * rights: messages with control data, good and bad, over sockets of all kinds.
 *
 * `rights results` prints what each call returns, and what the program that waits behind it
 * sees: the same without the library and with it. `rights blocked PORT` passes a connection
 * over a UNIX socket that has no room, and closes it while the call waits; `rights cancelled
 * PORT` cancels a thread in such a call, and closes a connection afterwards. `rights refused
 * PORT` closes a connection while threads begin to send messages that the kernel will refuse.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static void print(const char *kind, const char *call, long r)
{
    printf("%s %s: %ld %s\n", kind, call, r, r < 0 ? strerror(errno) : "");
}

/** Memory that is there up to its end, behind which there is none. */
static char *at_the_end(size_t len)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *two =
        mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (two == MAP_FAILED || munmap(two + page, page) != 0)
        fail("mmap");
    return two + page - len;
}

/* --- connections --- */

static int connected(int protocol, struct sockaddr_in *to)
{
    int fd = socket(AF_INET, SOCK_STREAM, protocol);
    if (fd < 0 || connect(fd, (struct sockaddr *)to, sizeof(*to)) != 0)
        fail("connect");
    return fd;
}

/** A pair over loopback; false where this kernel has no such protocol. */
static int pair(int protocol, int fds[2])
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(at);
    int listener = socket(AF_INET, SOCK_STREAM, protocol);
    if (listener < 0)
        return 0;
    if (bind(listener, (struct sockaddr *)&at, len) != 0 || listen(listener, 1) != 0 ||
        getsockname(listener, (struct sockaddr *)&at, &len) != 0)
        fail("listen");
    fds[0] = connected(protocol, &at);
    fds[1] = accept(listener, NULL, NULL);
    close(listener);
    return 1;
}

static int udp_pair(int fds[2])
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(at);
    fds[1] = socket(AF_INET, SOCK_DGRAM, 0);
    fds[0] = socket(AF_INET, SOCK_DGRAM, 0);
    return bind(fds[1], (struct sockaddr *)&at, len) == 0 &&
           getsockname(fds[1], (struct sockaddr *)&at, &len) == 0 &&
           connect(fds[0], (struct sockaddr *)&at, len) == 0;
}

/* --- messages --- */

static char byte = 'x';
static struct iovec one_byte = {.iov_base = &byte, .iov_len = 1};

/** A message with control data that says it is SCM_RIGHTS, and `said` bytes long. */
static struct msghdr message(size_t said, size_t len, int fd)
{
    char *control = at_the_end(len);
    struct cmsghdr head = {.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
    head.cmsg_len = (__typeof__(head.cmsg_len))said;
    memset(control, 0, len);
    memcpy(control, &head, len < sizeof(head) ? len : sizeof(head));
    if (len >= CMSG_LEN(sizeof(fd)))
        memcpy(control + CMSG_LEN(0), &fd, sizeof(fd));
    struct msghdr msg = {.msg_iov = &one_byte, .msg_iovlen = 1, .msg_control = control};
    msg.msg_controllen = (__typeof__(msg.msg_controllen))len;
    return msg;
}

/** Receives all that was sent: a busy machine delivers it late; a last message says when. */
static void receive_all(int fds[2])
{
    char text[64];
    ssize_t count;
    if (send(fds[0], ".", 1, 0) == 1)
        do
            count = recv(fds[1], text, sizeof(text), 0);
        while (count > 0 && text[count - 1] != '.');
}

/** One message can be received, if any can be sent. */
static void send_one(int fds[2])
{
    struct pollfd end = {.fd = fds[1], .events = POLLIN};
    if (poll(&end, 1, 0) == 0 && send(fds[0], "x", 1, MSG_DONTWAIT) == 1)
        (void)poll(&end, 1, -1);
}

static void send_control(const char *kind, int fds[2])
{
    static const size_t said[] = {0,    4,          CMSG_LEN(0), CMSG_LEN(4), CMSG_LEN(5),
                                  4096, (size_t)-1, (size_t)-8,  0x7fffffff,  0x80000000};
    static const size_t len[] = {1, CMSG_LEN(0), CMSG_LEN(4), CMSG_SPACE(4)};
    int passed = open("/dev/null", O_RDONLY);
    for (size_t i = 0; i < sizeof(said) / sizeof(said[0]); i++)
        for (size_t j = 0; j < sizeof(len) / sizeof(len[0]); j++) {
            struct msghdr msg = message(said[i], len[j], passed);
            struct mmsghdr many[] = {{.msg_hdr = msg}, {.msg_hdr = msg}};
            print(kind, "sendmsg with control data", sendmsg(fds[0], &msg, MSG_DONTWAIT));
            print(kind, "sendmmsg with control data", sendmmsg(fds[0], many, 2, MSG_DONTWAIT));
            receive_all(fds);
        }
    close(passed);
}

/** An address where nothing is; the compiler does not know. */
static void *bad(void)
{
    static void *volatile address = (void *)16;
    return address;
}

static void send_bad(const char *kind, int fds[2])
{
    struct iovec bad_bytes = {.iov_base = bad(), .iov_len = 8};
    struct msghdr msgs[] = {
        {.msg_iov = bad(), .msg_iovlen = 1},
        {.msg_iov = bad(), .msg_iovlen = (size_t)1 << 20},
        {.msg_iov = &bad_bytes, .msg_iovlen = 1},
        {.msg_iov = &one_byte, .msg_iovlen = 1, .msg_control = bad(), .msg_controllen = 64},
        {.msg_iov = &one_byte, .msg_iovlen = 1, .msg_name = bad(), .msg_namelen = 16},
    };
    print(kind, "sendmsg(NULL)", sendmsg(fds[0], bad(), MSG_DONTWAIT));
    print(kind, "sendmmsg(NULL)", sendmmsg(fds[0], bad(), 2, MSG_DONTWAIT));
    print(kind, "sendmmsg(NULL, 0)", sendmmsg(fds[0], bad(), 0, MSG_DONTWAIT));
    for (size_t i = 0; i < sizeof(msgs) / sizeof(msgs[0]); i++)
        print(kind, "sendmsg, bad", sendmsg(fds[0], &msgs[i], MSG_DONTWAIT | MSG_NOSIGNAL));
    print(kind, "writev, bad", writev(fds[0], bad(), 1));
    print(kind, "writev, bad bytes", writev(fds[0], &bad_bytes, 1));
    print(kind, "writev, too many", writev(fds[0], bad(), 1 << 20));
}

static void receive_bad(const char *kind, int fds[2])
{
    struct iovec bad_bytes = {.iov_base = bad(), .iov_len = 8};
    struct msghdr msgs[] = {
        {.msg_iov = bad(), .msg_iovlen = 1},
        {.msg_iov = &bad_bytes, .msg_iovlen = 1},
        {.msg_iov = &one_byte, .msg_iovlen = 1, .msg_control = bad(), .msg_controllen = 64},
        {.msg_iov = bad(), .msg_iovlen = 0},
    };
    receive_all(fds);
    for (size_t i = 0; i < sizeof(msgs) / sizeof(msgs[0]); i++) {
        send_one(fds);
        print(kind, "recvmsg, bad", recvmsg(fds[1], &msgs[i], MSG_DONTWAIT));
    }
    print(kind, "recvmsg(NULL)", recvmsg(fds[1], bad(), MSG_DONTWAIT));
    print(kind, "recvmmsg(NULL)", recvmmsg(fds[1], bad(), 2, MSG_DONTWAIT, NULL));
    print(kind, "readv, bad", readv(fds[1], bad(), 1));
    print(kind, "readv, none", readv(fds[1], bad(), 0));
    close(fds[0]);
    if (strcmp(kind, "mptcp") == 0) /* a worker of the kernel's brings the end */
        poll(&(struct pollfd){fds[1], POLLRDHUP, 0}, 1, 5000);
    print(kind, "readv at the end, bad", readv(fds[1], bad(), 1));
    print(kind, "recvmsg at the end, bad", recvmsg(fds[1], &msgs[1], MSG_DONTWAIT));
    print(kind, "recvmsg at the end, none", recvmsg(fds[1], &msgs[3], MSG_DONTWAIT));
}

static void results_of(const char *kind, int fds[2])
{
    send_control(kind, fds);
    send_bad(kind, fds);
    receive_bad(kind, fds);
    close(fds[1]);
}

static int results(void)
{
    int fds[2];
    if (pair(0, fds))
        results_of("tcp", fds);
    if (pair(IPPROTO_MPTCP, fds))
        results_of("mptcp", fds);
    if (udp_pair(fds))
        results_of("udp", fds);
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0)
        results_of("unix stream", fds);
    if (socketpair(AF_UNIX, SOCK_DGRAM, 0, fds) == 0)
        results_of("unix datagram", fds);
    return 0;
}

/* --- a call that waits --- */

static int channel[2];

/** Sends the fd that it is given; waits while the channel has no room. */
static void *pass(void *argument)
{
    struct msghdr msg =
        message(CMSG_LEN(sizeof(int)), CMSG_SPACE(sizeof(int)), *(int *)argument);
    if (sendmsg(channel[0], &msg, 0) != 1)
        fail("sendmsg");
    return NULL;
}

static void fill(void)
{
    static char block[4096];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, channel) != 0)
        fail("socketpair");
    while (send(channel[0], block, sizeof(block), MSG_DONTWAIT) > 0)
        ;
}

/** The fd that comes behind what fills the channel. */
static int passed(void)
{
    static char block[4096];
    for (;;) {
        char control[CMSG_SPACE(sizeof(int))];
        struct iovec iov = {.iov_base = block, .iov_len = sizeof(block)};
        struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control};
        msg.msg_controllen = sizeof(control);
        int fd = -1;
        if (recvmsg(channel[1], &msg, 0) <= 0)
            fail("recvmsg");
        if (msg.msg_controllen < CMSG_LEN(sizeof(fd)))
            continue;
        memcpy(&fd, control + CMSG_LEN(0), sizeof(fd));
        return fd;
    }
}

/** How many threads are held in sendmsg(2), as the kernel has it (proc(5)). */
static int in_sendmsg(void)
{
    char path[300], line[16];
    int count = 0;
    DIR *threads = opendir("/proc/self/task");
    if (!threads)
        fail("/proc/self/task");
    for (struct dirent *thread; (thread = readdir(threads));) {
        snprintf(path, sizeof(path), "/proc/self/task/%s/syscall", thread->d_name);
        FILE *file = fopen(path, "r");
        count +=
            file && fgets(line, sizeof(line), file) && strtol(line, NULL, 10) == SYS_sendmsg;
        if (file)
            fclose(file);
    }
    closedir(threads);
    return count;
}

static void wait_for_calls(int threads)
{
    for (int i = 0; i < 2000; i++, usleep(10000))
        if (in_sendmsg() >= threads)
            return;
    fail("no thread in sendmsg(2)");
}

static int to(const char *port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    at.sin_port = htons((uint16_t)strtol(port, NULL, 10));
    return connected(0, &at);
}

static int blocked(const char *port)
{
    pthread_t thread;
    int fd = to(port);
    int number = fd;
    fill();
    pthread_create(&thread, NULL, pass, &number);
    wait_for_calls(1);
    close(fd);
    fd = passed();
    pthread_join(thread, NULL);
    print("passed", "write", write(fd, "hello", 5));
    shutdown(fd, SHUT_WR);
    print("passed", "read", read(fd, &byte, 1));
    return 0;
}

static int cancelled(const char *port)
{
    pthread_t thread;
    int null = open("/dev/null", O_RDONLY);
    fill();
    pthread_create(&thread, NULL, pass, &null);
    wait_for_calls(1);
    pthread_cancel(thread);
    pthread_join(thread, NULL);
    int fd = to(port);
    print("later", "close", close(fd));
    return 0;
}

static void *send_refused(void *msg)
{
    print("refused", "sendmsg", sendmsg(channel[0], msg, MSG_DONTWAIT));
    return NULL;
}

/** None of these messages passes an fd: their calls are delayed from outside. */
static int refused(const char *port)
{
    enum { MESSAGES = 5 };
    static char room[4096];
    struct msghdr msgs[] = {
        {.msg_iov = &one_byte, .msg_iovlen = 1, .msg_control = bad(), .msg_controllen = 64},
        {.msg_iov = &one_byte, .msg_iovlen = 1, .msg_control = room},
        {.msg_iov = &one_byte, .msg_iovlen = 1, .msg_control = room, .msg_controllen = 1},
    };
    struct msghdr longer = message(0x7fffffff, CMSG_LEN(sizeof(int)), -1);
    void *all[MESSAGES] = {&msgs[0], &msgs[1], &msgs[2], &longer, bad()};
    pthread_t threads[MESSAGES];
    int fd = to(port);
    msgs[1].msg_controllen = (__typeof__(msgs[1].msg_controllen))(0x80000000u);
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, channel) != 0)
        fail("socketpair");
    for (int i = 0; i < MESSAGES; i++)
        pthread_create(&threads[i], NULL, send_refused, all[i]);
    wait_for_calls(MESSAGES);
    print("refused", "close", close(fd));
    for (int i = 0; i < MESSAGES; i++)
        pthread_join(threads[i], NULL);
    return 0;
}

/** Sends fds in control data through sockets that pass none, and closes the connection. */
static int elsewhere(const char *port)
{
    int fds[2];
    int fd = to(port);
    struct msghdr msg = message(CMSG_LEN(sizeof(fd)), CMSG_SPACE(sizeof(fd)), fd);
    print("tcp", "sendmsg", sendmsg(fd, &msg, 0));
    if (udp_pair(fds))
        print("udp", "sendmsg", sendmsg(fds[0], &msg, 0));
    if (pair(IPPROTO_MPTCP, fds))
        print("mptcp", "sendmsg", sendmsg(fds[0], &msg, 0));
    print("tcp", "close", close(fd));
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "results") == 0)
        return results();
    if (argc == 3 && strcmp(argv[1], "blocked") == 0)
        return blocked(argv[2]);
    if (argc == 3 && strcmp(argv[1], "cancelled") == 0)
        return cancelled(argv[2]);
    if (argc == 3 && strcmp(argv[1], "refused") == 0)
        return refused(argv[2]);
    if (argc == 3 && strcmp(argv[1], "elsewhere") == 0)
        return elsewhere(argv[2]);
    return 2;
}
