#include "launcher/check/process.h"

#include "launcher/check/verdict.h"
#include "launcher/failure.h"
#include "launcher/line.h"
#include "launcher/memory.h"
#include "launcher/sockets.h"
#include "policy/text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LIBRARY  "libnotimewait.so"
#define OURS     "NOTIMEWAIT_"
#define OURS_LEN (sizeof(OURS) - 1)

/* What is found out about the process. */
struct seen {
    pid_t process;
    char name[32];
    bool loaded, supervised;
    char *environment; /* strings, a NUL behind each, and one more */
    struct process_socket *sockets;
    size_t count, room;
    int error; /* why its sockets are not known, or 0 */
    unsigned listeners, armed_listeners, clients, passed_by;
};

/** The whole of a file of /proc, and two NULs; "" where it cannot be read. */
static char *read_file(pid_t process, const char *name)
{
    char path[64];
    size_t room = 0, len = 0, got;
    char *text = grow(NULL, &room, 4096, 1);
    snprintf(path, sizeof(path), "/proc/%d/%s", (int)process, name);
    FILE *file = fopen(path, "re");
    while (file && (got = fread(text + len, 1, room - len - 2, file)) > 0) {
        len += got;
        text = grow(text, &room, len + 4096, 1);
    }
    if (file)
        fclose(file);
    text[len] = text[len + 1] = '\0';
    return text;
}

static bool file_has(pid_t process, const char *name, const char *text)
{
    char *all = read_file(process, name);
    bool has = strstr(all, text) != NULL;
    free(all);
    return has;
}

static const char *variable(const struct seen *seen, const char *name)
{
    size_t len = strlen(name);
    for (const char *at = seen->environment; *at; at += strlen(at) + 1)
        if (strncmp(at, name, len) == 0 && at[len] == '=' && at[len + 1])
            return at + len + 1;
    return NULL;
}

static void keep(const struct process_socket *socket, void *context)
{
    struct seen *seen = context;
    seen->sockets = grow(seen->sockets, &seen->room, seen->count + 1, sizeof(seen->sockets[0]));
    seen->sockets[seen->count++] = *socket;
}

static bool is_open(const struct process_socket *socket)
{
    return socket->state != STATE_LISTEN && socket->state != STATE_CLOSE;
}

/** It came out of one of the process's own listeners. */
static bool was_accepted(const struct seen *seen, const struct process_socket *socket)
{
    for (size_t i = 0; i < seen->count; i++)
        if (seen->sockets[i].state == STATE_LISTEN &&
            address_port(&seen->sockets[i].local) == address_port(&socket->local))
            return true;
    return false;
}

/** Under `off` nothing is set: that is not being passed by. */
static void count(struct seen *seen)
{
    const char *policy = variable(seen, OURS "POLICY");
    bool acts = (seen->loaded || seen->supervised) && !(policy && strcmp(policy, "off") == 0);
    for (size_t i = 0; i < seen->count; i++) {
        const struct process_socket *socket = &seen->sockets[i];
        bool client = is_open(socket) && !was_accepted(seen, socket);
        seen->listeners += socket->state == STATE_LISTEN;
        seen->armed_listeners += socket->state == STATE_LISTEN && socket->linger2 < 0;
        seen->clients += client;
        seen->passed_by += acts && client && !socket->reusable && socket->linger2 >= 0;
    }
}

static void look(struct seen *seen)
{
    sockets_process_name(seen->process, seen->name, sizeof(seen->name));
    seen->environment = read_file(seen->process, "environ");
    seen->loaded = file_has(seen->process, "maps", LIBRARY);
    seen->supervised = file_has(seen->process, "status", "Seccomp:\t2") &&
                       variable(seen, OURS "SUPERVISOR") != NULL;
    seen->error = sockets_each(seen->process, keep, seen);
    count(seen);
}

static enum reached reached(const struct seen *seen)
{
    if (seen->loaded)
        return seen->passed_by > 0 ? REACHED_IN_PART : REACHED_BY_PRELOAD;
    if (seen->supervised)
        return REACHED_BY_SUPERVISION;
    return seen->armed_listeners > 0 ? REACHED_IN_PART : NOT_REACHED;
}

static const char *why(const struct seen *seen)
{
    if (seen->loaded)
        return seen->passed_by > 0 ? "the library is loaded, and connections pass it by"
                                   : "the library is loaded";
    if (seen->supervised)
        return "it is supervised";
    return seen->armed_listeners > 0 ? "its listening sockets are attached"
                                     : "the library is not loaded, and nothing is attached";
}

/** When it began (proc_pid_stat(5), field 22), in seconds of the epoch; 0: not known. */
static time_t began(pid_t process)
{
    char *stat = read_file(process, "stat");
    const char *at = strrchr(stat, ')');
    unsigned long long ticks;
    struct timespec now = {0}, booted = {0};
    for (int field = 2; at && field < 22; field++)
        at = strchr(at + 1, ' ');
    ticks = at ? strtoull(at, NULL, 10) : 0;
    free(stat);
    clock_gettime(CLOCK_REALTIME, &now);
    clock_gettime(CLOCK_BOOTTIME, &booted);
    long per_second = sysconf(_SC_CLK_TCK);
    return ticks ? now.tv_sec - booted.tv_sec + (time_t)(ticks / (unsigned long long)per_second)
                 : 0;
}

static void print_began(const struct seen *seen)
{
    char text[64];
    struct tm local;
    time_t time = began(seen->process);
    if (time && localtime_r(&time, &local) &&
        strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &local))
        line_print(stdout, "%-19s %s", "running since", text);
}

static void print_variables(const struct seen *seen)
{
    const char *policy = variable(seen, OURS "POLICY");
    line_print(stdout, "%-19s %s%s", OURS "POLICY", policy ? policy : "auto",
               policy ? "" : " (default)");
    for (const char *at = seen->environment; *at; at += strlen(at) + 1)
        if (strncmp(at, OURS, OURS_LEN) == 0 && strncmp(at, OURS "POLICY=", OURS_LEN + 7) != 0)
            line_print(stdout, "%-19.*s %s", (int)strcspn(at, "="), at,
                       strchr(at, '=') ? strchr(at, '=') + 1 : "");
}

static void print_socket(const struct process_socket *socket)
{
    char addresses[128];
    struct text text = text_in(addresses, sizeof(addresses));
    if (socket->state == STATE_CLOSE)
        return;
    address_text(&text, &socket->local);
    if (socket->peer.any.sa_family != AF_UNSPEC) {
        text_str(&text, " to ");
        address_text(&text, &socket->peer);
    }
    line_print(stdout, "%-19s fd %d, %s, %s:%s%s%s", "socket", socket->number, addresses,
               state_names[socket->state], socket->linger2 < 0 ? " fin-rst" : "",
               socket->reusable ? " SO_REUSEADDR" : "",
               socket->linger2 < 0 || socket->reusable ? "" : " nothing");
}

static void print_text(const struct seen *seen)
{
    line_print(stdout, "%s: %s (%d): %s", reached_texts[reached(seen)], seen->name,
               (int)seen->process, why(seen));
    print_began(seen);
    if (seen->loaded || seen->supervised)
        print_variables(seen);
    if (seen->error) {
        line_print(stdout, "%-19s %s", "sockets", sockets_why_not(seen->error));
        return;
    }
    for (size_t i = 0; i < seen->count; i++)
        print_socket(&seen->sockets[i]);
    line_print(stdout, "%-19s %u, of which %u carry fin-rst", "listening", seen->listeners,
               seen->armed_listeners);
    line_print(stdout, "%-19s %u open, of which %u pass it by", "its own connections",
               seen->clients, seen->passed_by);
    if (reached(seen) == NOT_REACHED)
        line_print(stdout, "%-19s %s", "what to do",
                   "start it by notimewait; or, for its listening sockets: notimewait attach");
}

static void print_json(const struct seen *seen)
{
    char buf[1024];
    struct text text = text_in(buf, sizeof(buf));
    const char *policy = variable(seen, OURS "POLICY");
    text_json(&text, seen->name);
    printf("{\"verdict\":\"%s\",\"pid\":%d,\"program\":%s,\"loaded\":%s,\"supervised\":%s,",
           reached_names[reached(seen)], (int)seen->process, buf,
           seen->loaded ? "true" : "false", seen->supervised ? "true" : "false");
    text = text_in(buf, sizeof(buf));
    text_json(&text, policy ? policy : "auto");
    printf("\"policy\":%s,\"since\":%lld,", seen->loaded || seen->supervised ? buf : "null",
           (long long)began(seen->process));
    if (seen->error)
        puts("\"listeners\":null,\"armed_listeners\":null,\"connections\":null,\"passed_by\":"
             "null}");
    else
        printf("\"listeners\":%u,\"armed_listeners\":%u,\"connections\":%u,\"passed_by\":%u}\n",
               seen->listeners, seen->armed_listeners, seen->clients, seen->passed_by);
}

int check_process(pid_t process, bool json)
{
    struct seen seen = {.process = process};
    look(&seen);
    if (seen.error == ESRCH) {
        complain("check: %d: %s", (int)process, sockets_why_not(ESRCH));
        free(seen.environment);
        return EXIT_FAILED;
    }
    if (json)
        print_json(&seen);
    else
        print_text(&seen);
    bool works = reached(&seen) != NOT_REACHED;
    free(seen.environment);
    free(seen.sockets);
    return works ? EXIT_SUCCESS : EXIT_FAILED;
}
