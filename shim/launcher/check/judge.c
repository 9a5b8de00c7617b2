#include "launcher/check/judge.h"

#include "launcher/memory.h"
#include "launcher/supervise/target.h"
#include "policy/config.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef IP_LOCAL_PORT_RANGE /* Linux 6.3 */
#define IP_LOCAL_PORT_RANGE 51
#endif

static struct config config;
static struct split word; /* of the board's switch; no arm: it says nothing */
static bool known;        /* both of them */
static bool here;         /* the process is in our network namespace */

/** config_parse() of the process's variables; false: they are not known, or not accepted. */
static bool read_variables(const char *environment)
{
    char error[CONFIG_ERROR_SIZE];
    char **variables = NULL;
    size_t room = 0, count = 0;
    for (const char *at = environment; *at; at += strlen(at) + 1) {
        variables = grow(variables, &room, count + 2, sizeof(variables[0]));
        variables[count++] = (char *)at;
        variables[count] = NULL;
    }
    bool read = variables && config_parse(variables, &config, error);
    free(variables);
    return read;
}

static bool read_word(const char *text)
{
    struct refusal refusal;
    word.count = 0;
    return text &&
           (!text[0] || split_parse(text, strlen(text), &config.policies, &word, &refusal));
}

static bool is_in_our_network(pid_t process)
{
    char path[64];
    struct stat its, ours;
    snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)process);
    return stat(path, &its) == 0 && stat("/proc/self/ns/net", &ours) == 0 &&
           its.st_ino == ours.st_ino;
}

void judge_begin(pid_t process, bool supervised, const char *environment, const char *text)
{
    char program[256];
    bool own = supervised; /* a program may have overwritten them, as for its title */
    for (const char *at = environment; *at && !own; at += strlen(at) + 1)
        own = strncmp(at, "LD_PRELOAD=", 11) == 0 && strstr(at, LIBRARY_FILE);
    known = own && read_variables(environment) && read_word(text);
    here = is_in_our_network(process);
    if (!known)
        return;
    target_program(process, program, sizeof(program));
    rules_for_program(&config.rules, program);
}

/** Whichever of its policies is drawn, the kernel shows something of it. */
static bool shows(const struct split *split)
{
    for (unsigned i = 0; i < split->count; i++) {
        enum policy_kind kind = split->arms[i].policy->kind;
        if (kind == POLICY_OFF || (config.no_recycling && !policy_kinds[kind].armed))
            return false;
    }
    return true;
}

/** One of ours may connect from this port as well, which the kernel allows where connect()
 * chose it, and not where bind() did (__inet_hash_connect(): tb->fastreuse). */
static bool connects_from(uint16_t port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct linger abort = {.l_onoff = 1};
    uint32_t range = (uint32_t)port << 16 | port;
    socklen_t len = sizeof(to);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool does = bind(listener, (struct sockaddr *)&to, len) == 0 && listen(listener, 1) == 0 &&
                getsockname(listener, (struct sockaddr *)&to, &len) == 0 &&
                setsockopt(fd, IPPROTO_IP, IP_LOCAL_PORT_RANGE, &range, sizeof(range)) == 0 &&
                setsockopt(fd, SOL_SOCKET, SO_LINGER, &abort, sizeof(abort)) == 0 &&
                connect(fd, (struct sockaddr *)&to, len) == 0 &&
                getsockname(fd, (struct sockaddr *)&to, &len) == 0 &&
                ntohs(to.sin_port) == port;
    close(fd);
    close(listener);
    return does;
}

enum judgement judge(const struct process_socket *socket)
{
    struct newborn newborn = {
        .role = ROLE_CLIENT, .local = socket->local, .peer = socket->peer};
    if (socket->reusable || socket->linger2 < 0)
        return JUDGED_ACTED_ON;
    bool settled = socket->peer.any.sa_family != AF_UNSPEC; /* connect() is over */
    if (!known || !settled || !shows(&word) ||
        !shows(rules_find(&config.rules, &newborn, &config.split)))
        return JUDGED_NOT;
    bool chosen = here && !socket->late_port && connects_from(address_port(&socket->local));
    return chosen ? JUDGED_PASSED_BY : JUDGED_NOT;
}
