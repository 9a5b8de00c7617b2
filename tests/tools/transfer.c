/*
 * transfer: many connections at once, each of which carries a message that is checked byte by
 * byte, and ends in a certain way. For what a bad network makes of that end.
 *
 * The server counts what arrived and how each connection ended; the client, how long close()
 * took and whether it slept. A thread per connection, blocking calls: as a plain program does.
 * This file holds the list of modes and reads the arguments.
 */
#include "transfer.h"
#include "transfer_client.h"
#include "transfer_server.h"

static const struct mode modes[] = {
    {"write", false, serve_to_end, use_write,
     "the client writes and closes; the server reads to the end"},
    {"reply", true, serve_reply, use_reply,
     "the client requests, reads the reply, closes; the server reads to the end"},
    {"same", false, serve_once, use_pause,
     "the client writes, closes after --pause MS; the server closes after the message"},
    {"streaming", false, serve_streaming, use_write,
     "the client writes and closes; the server sends before and after the message"},
};

enum { MODES = sizeof modes / sizeof modes[0] };

/* --- start --- */

static _Noreturn void help(int status)
{
    FILE *out = status ? stderr : stdout;

    (void)fputs("transfer server MODE PORT [--seconds N]\n"
                "transfer client MODE ADDRESS PORT COUNT [OPTION...]\n"
                "Many connections, each with a message that is checked, and a certain end.\n\n",
                out);
    for (int i = 0; i < MODES; i++)
        (void)fprintf(out, "  %-10s %s\n", modes[i].name, modes[i].help);
    (void)fputs("\n"
                "  --parallel N     connections at once (50)\n"
                "  --largest BYTES  of the messages: 1 to 1048576 in 20 steps (1048576)\n"
                "  --pause MS       in mode same (0)\n"
                "  --seconds N      give up then, and report (120)\n\n"
                "The server reports at SIGTERM.\n",
                out);
    exit(status);
}

static const struct mode *mode_of(const char *name)
{
    for (int i = 0; i < MODES; i++)
        if (strcmp(modes[i].name, name) == 0)
            return &modes[i];
    help(2);
}

static long number_of(const char *text, long least, long most)
{
    char *end;
    long value = strtol(text, &end, 10);

    if (end == text || *end || value < least || value > most)
        help(2);
    return value;
}

static void set_address(struct client *job, const char *text, int port)
{
    bool v6 = strchr(text, ':') != NULL;
    void *address = v6 ? (void *)&job->to.v6.sin6_addr : (void *)&job->to.v4.sin_addr;

    job->to.any.sa_family = v6 ? AF_INET6 : AF_INET;
    job->to.v4.sin_port = htons((uint16_t)port);
    if (inet_pton(job->to.any.sa_family, text, address) != 1)
        help(2);
}

static void set_option(struct client *job, const char *name, const char *value)
{
    if (strcmp(name, "--parallel") == 0)
        job->parallel = number_of(value, 1, 1000);
    else if (strcmp(name, "--pause") == 0)
        job->pause_ms = number_of(value, 0, 60000);
    else if (strcmp(name, "--seconds") == 0)
        seconds = (int)number_of(value, 1, 100000);
    else if (strcmp(name, "--largest") == 0)
        for (long most = number_of(value, 1, MAX_SIZE); sizes[job->classes - 1] > most;)
            job->classes--;
    else
        help(2);
}

static void set_options(struct client *job, char **words)
{
    for (; *words; words += 2) {
        if (!words[1])
            help(2);
        set_option(job, words[0], words[1]);
    }
}

int main(int argc, char **argv)
{
    struct client job = {.parallel = 50, .classes = SIZES};

    if (argc > 1 && strcmp(argv[1], "--help") == 0)
        help(0);
    (void)signal(SIGPIPE, SIG_IGN);
    if (argc >= 4 && strcmp(argv[1], "server") == 0) {
        set_options(&job, argv + 4);
        served = mode_of(argv[2]);
        return run_server((int)number_of(argv[3], 1, 65535));
    }
    if (argc < 6 || strcmp(argv[1], "client") != 0)
        help(2);
    job.mode = mode_of(argv[2]);
    set_address(&job, argv[3], (int)number_of(argv[4], 1, 65535));
    job.count = number_of(argv[5], 1, MAX_CONNECTIONS);
    set_options(&job, argv + 6);
    return run_client(&job);
}
