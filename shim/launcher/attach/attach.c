/*
 * attach: arms the listening sockets of a server that runs already, or sets them back.
 *
 * What they accept from then on inherits it (facts 9 and 19): nothing is restarted. Owns: what
 * is done to which socket, and the lines about it.
 */
#include "launcher/commands.h"
#include "launcher/failure.h"
#include "launcher/line.h"
#include "launcher/memory.h"
#include "launcher/options.h"
#include "launcher/sockets.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>

struct attach_options {
    bool off; /* sets back what the kernel's default is */
    bool tree, connections;
    pid_t process;
};

/** What was done, and to whom it is being done. */
struct attachment {
    const struct attach_options *options;
    pid_t process;
    char name[32];
    uint64_t *cookies; /* of the sockets that were done: processes may share one */
    size_t count, room;
    unsigned failed, listeners;
};

static bool set_policy(struct attach_options *options)
{
    options->off = strcmp(optarg, "off") == 0;
    if (options->off || strcmp(optarg, "fin-rst") == 0)
        return true;
    complain("attach: -p: '%s' is not accepted; accepted: fin-rst, off (others act at close or "
             "connect(), which attach does not see)",
             optarg);
    return false;
}

static bool parse_options(int argc, char **argv, struct attach_options *options)
{
    static const struct option names[] = {
        {"tree", no_argument, NULL, 't'},
        {"connections", no_argument, NULL, 'c'},
        COMMON_OPTIONS,
        {NULL, 0, NULL, 0},
    };
    *options = (struct attach_options){.off = false};
    for (int letter; (letter = options_next(argc, argv, COMMON_LETTERS "p:", names)) != -1;) {
        if (letter == '?' || (letter == 'p' && !set_policy(options)))
            return false;
        options->tree = options->tree || letter == 't';
        options->connections = options->connections || letter == 'c';
    }
    if (optind + 1 != argc) {
        complain("attach: give the number of one process (see notimewait --help)");
        return false;
    }
    options->process = sockets_parse_pid(argv[optind]);
    return options->process != 0;
}

static bool is_done(struct attachment *attachment, uint64_t cookie)
{
    for (size_t i = 0; i < attachment->count; i++)
        if (attachment->cookies[i] == cookie)
            return true;
    attachment->cookies = grow(attachment->cookies, &attachment->room, attachment->count + 1,
                               sizeof(attachment->cookies[0]));
    attachment->cookies[attachment->count++] = cookie;
    return false;
}

static bool set_linger2(int fd, int seconds)
{
    return setsockopt(fd, IPPROTO_TCP, TCP_LINGER2, &seconds, sizeof(seconds)) == 0;
}

/**
 * Whether its TCP_LINGER2 is one that the program has set, for which `off` would not have the
 * value. The kernel answers with its default where none is set, so that is tried: of a listener
 * it matters at no time, of a connection only at its end (tcp_close()).
 */
static bool is_programs_own(const struct process_socket *socket)
{
    int value;
    socklen_t len = sizeof(value);
    if (!set_linger2(socket->copy, 0)) /* 0: the system's default (tcp(7)) */
        return false;
    if (getsockopt(socket->copy, IPPROTO_TCP, TCP_LINGER2, &value, &len) != 0 ||
        value == socket->linger2)
        return false;
    (void)set_linger2(socket->copy, socket->linger2);
    return true;
}

static const char *result(struct attachment *attachment, bool done, const char *text)
{
    if (done)
        return text;
    attachment->failed++;
    return strerror(errno);
}

static const char *arm(struct attachment *attachment, const struct process_socket *socket)
{
    static char own[80];
    if (socket->linger2 < 0)
        return "fin-rst already";
    if (socket->lingers)
        return "left alone: it has a linger of the program's own";
    if (is_programs_own(socket)) {
        snprintf(own, sizeof(own),
                 "left alone: it has a TCP_LINGER2 of the program's own, %d s",
                 socket->linger2);
        return own;
    }
    return result(attachment, set_linger2(socket->copy, -1), "fin-rst");
}

static const char *set_back(struct attachment *attachment, const struct process_socket *socket)
{
    if (socket->linger2 >= 0)
        return "off already";
    return result(attachment, set_linger2(socket->copy, 0),
                  "off: as the kernel does by itself");
}

/** What became of one socket, in words. */
static const char *set_option(struct attachment *attachment,
                              const struct process_socket *socket)
{
    return attachment->options->off ? set_back(attachment, socket) : arm(attachment, socket);
}

static bool is_wanted(const struct attachment *attachment, const struct process_socket *socket)
{
    switch (socket->state) {
    case STATE_LISTEN:
        return true;
    case STATE_ESTABLISHED:
    case STATE_SYN_RECV:
    case STATE_CLOSE_WAIT:
        return attachment->options->connections;
    default:
        return false;
    }
}

static void attach_one(const struct process_socket *socket, void *context)
{
    struct attachment *attachment = context;
    char addresses[128];
    struct text text = text_in(addresses, sizeof(addresses));
    bool listens = socket->state == STATE_LISTEN;
    if (!is_wanted(attachment, socket) || is_done(attachment, socket->cookie))
        return;
    attachment->listeners += listens;
    address_text(&text, &socket->local);
    if (!listens && socket->peer.any.sa_family != AF_UNSPEC) {
        text_str(&text, " to ");
        address_text(&text, &socket->peer);
    }
    line_print(stdout, "%s %s, fd %d of %s (%d): %s", listens ? "listener" : "connection",
               addresses, socket->number, attachment->name, (int)attachment->process,
               set_option(attachment, socket));
}

static void attach_process(pid_t process, void *context)
{
    struct attachment *attachment = context;
    attachment->process = process;
    sockets_process_name(process, attachment->name, sizeof(attachment->name));
    int error = sockets_each(process, attach_one, attachment);
    if (error == 0 || (error == ESRCH && process != attachment->options->process))
        return; /* a child that has ended meanwhile */
    complain("attach: %d: %s", (int)process, sockets_why_not(error));
    attachment->failed++;
}

static void print_limits(const struct attach_options *options)
{
    if (options->off)
        return;
    if (!options->connections)
        puts("connections that are open already are as they were (--connections arms them)");
    puts("not reached: connections that it opens itself, and sockets that will listen later "
         "(start it under notimewait for these)");
}

int attach_main(int argc, char **argv)
{
    struct attach_options options;
    if (!parse_options(argc, argv, &options))
        return EXIT_USAGE;
    struct attachment attachment = {.options = &options};
    sockets_each_process(options.process, options.tree, attach_process, &attachment);
    free(attachment.cookies);
    if (attachment.failed > 0)
        return EXIT_FAILED;
    if (attachment.listeners == 0)
        line_print(stdout, "%d has no listening TCP socket%s", (int)options.process,
                   options.tree ? "" : " (--tree looks at its children, too)");
    else
        print_limits(&options);
    return attachment.count > 0 ? EXIT_SUCCESS : EXIT_FAILED;
}
