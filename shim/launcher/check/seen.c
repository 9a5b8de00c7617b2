#include "launcher/check/seen.h"

#include "launcher/board/switch.h"
#include "launcher/check/judge.h"
#include "launcher/memory.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define OURS "NOTIMEWAIT_"

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

const char *seen_variable(const struct seen *seen, const char *name)
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

/** By whatever reaches the process: there are none where nothing does. */
static void count_judged(struct seen *seen, const struct process_socket *socket)
{
    enum judgement judgement = judge(socket);
    seen->passed_by += judgement == JUDGED_PASSED_BY;
    seen->not_judged += judgement == JUDGED_NOT;
}

static void count(struct seen *seen)
{
    bool reached = seen->loaded || seen->supervised;
    if (reached)
        judge_begin(seen->process, seen->supervised, seen->environment,
                    seen->why_no_word ? NULL : seen->word);
    for (size_t i = 0; i < seen->count; i++) {
        const struct process_socket *socket = &seen->sockets[i];
        bool client = is_open(socket) && !was_accepted(seen, socket);
        seen->listeners += socket->state == STATE_LISTEN;
        seen->armed_listeners += socket->state == STATE_LISTEN && socket->linger2 < 0;
        seen->clients += client;
        if (client && reached)
            count_judged(seen, socket);
    }
}

/** When it began (proc_pid_stat(5), field 22), in seconds of the epoch; 0: not known. */
static time_t began_at(pid_t process)
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

/** A path of the process's, as we can open it: it may have another root. */
static void its_path(pid_t process, const char *path, char to[PATH_MAX])
{
    if (snprintf(to, PATH_MAX, "/proc/%d/%s%s", (int)process, path[0] == '/' ? "root" : "cwd/",
                 path) >= PATH_MAX)
        to[0] = '\0';
}

/** The switch of the board that it names; the launcher's own, below /proc, has none. */
static void read_switch(struct seen *seen)
{
    char path[PATH_MAX];
    const char *board = seen_variable(seen, OURS "BOARD");
    if (!board || strncmp(board, "/proc/", 6) == 0)
        return;
    its_path(seen->process, board, path);
    seen->board = board;
    seen->why_no_word = switch_read(path, seen->word);
    seen->word_error = seen->why_no_word ? errno : 0;
}

/** What it has mapped as code: also what its configuration named, and dlopen() loaded. */
static void look_at_mapped(struct seen *seen)
{
    char *maps = read_file(seen->process, "maps");
    char *rest = NULL;
    char path[PATH_MAX];
    for (char *line = strtok_r(maps, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        char *file = strchr(line, '/');
        if (!file || !strstr(line, " r-xp ") || strstr(file, LIBRARY_FILE))
            continue;
        its_path(seen->process, file, path);
        bypass_look_at(file, path, seen->found);
    }
    free(maps);
}

void seen_begin(pid_t process, struct seen *seen)
{
    *seen = (struct seen){.process = process};
    sockets_process_name(process, seen->name, sizeof(seen->name));
    seen->began = began_at(process);
    seen->environment = read_file(process, "environ");
    seen->loaded = file_has(process, "maps", LIBRARY_FILE);
    seen->supervised = file_has(process, "status", "Seccomp:\t2") &&
                       seen_variable(seen, OURS "SUPERVISOR") != NULL;
    seen->error = sockets_each(process, keep, seen);
    if (seen->loaded || seen->supervised)
        read_switch(seen);
    if (seen->loaded && !seen->supervised)
        look_at_mapped(seen);
    count(seen);
}

void seen_end(struct seen *seen)
{
    free(seen->environment);
    free(seen->sockets);
}

enum reached seen_reached(const struct seen *seen)
{
    if (seen->loaded)
        return seen->passed_by > 0 || bypass_any(seen->found) ? REACHED_IN_PART
                                                              : REACHED_BY_PRELOAD;
    if (seen->supervised)
        return REACHED_BY_SUPERVISION;
    return seen->armed_listeners > 0 ? REACHED_IN_PART : NOT_REACHED;
}
