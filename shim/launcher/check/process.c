#include "launcher/check/process.h"

#include "launcher/check/explain.h"
#include "launcher/check/seen.h"
#include "launcher/failure.h"
#include "launcher/line.h"
#include "policy/text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OURS     "NOTIMEWAIT_"
#define OURS_LEN (sizeof(OURS) - 1)

static const char *why(const struct seen *seen)
{
    if (seen->loaded && seen->passed_by > 0)
        return "the library is loaded, and connections pass it by";
    if (seen->loaded)
        return seen->supervised || !bypass_any(seen->found)
                   ? "the library is loaded"
                   : "the library is loaded, and what else it has mapped may pass it by";
    if (seen->supervised)
        return "it is supervised";
    return seen->armed_listeners > 0 ? "its listening sockets are attached"
                                     : "the library is not loaded, and nothing is attached";
}

/** Since when each way acts, as far as the kernel tells: it keeps no time of a mapping, or of
 * an option of a socket. */
static void print_since(const struct seen *seen)
{
    if (seen->loaded)
        line_print(
            stdout, LABEL "%s", "loaded since",
            "it ran this program (a preload is mapped at exec), at the earliest then; or "
            "then, as a copy of its parent");
    if (seen->supervised)
        line_print(stdout, LABEL "%s", "supervised since",
                   "then: the filter is there before the program, and children inherit it");
    if (!seen->loaded && !seen->supervised && seen->armed_listeners > 0)
        line_print(stdout, LABEL "%s", "attached since",
                   "not known; connections that were accepted before are as they were");
}

static void print_began(const struct seen *seen)
{
    char text[64];
    struct tm local;
    if (!seen->began || !localtime_r(&seen->began, &local) ||
        !strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &local))
        return;
    line_print(stdout, LABEL "%s", "running since", text);
    print_since(seen);
}

static void print_switch(const struct seen *seen)
{
    if (!seen->board)
        return;
    if (seen->why_no_word)
        line_print(stdout, LABEL "not known: %s%s%s", "  switch", seen->why_no_word,
                   seen->word_error ? ": " : "",
                   seen->word_error ? strerror(seen->word_error) : "");
    else if (!seen->word[0])
        line_print(stdout, LABEL "%s", "  switch",
                   "not used, or reset: " OURS "POLICY is in force");
    else if (strcmp(seen->word, "off") == 0)
        line_print(stdout, LABEL "%s", "  switch",
                   "off: nothing acts on connections born since, and no lever is pulled");
    else
        line_print(stdout, LABEL "%s, in place of " OURS "POLICY", "  switch", seen->word);
}

static void print_variables(const struct seen *seen)
{
    const char *policy = seen_variable(seen, OURS "POLICY");
    line_print(stdout, LABEL "%s%s", OURS "POLICY", policy ? policy : "auto",
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
    line_print(stdout, LABEL "fd %d, %s, %s:%s%s%s", "socket", socket->number, addresses,
               state_names[socket->state], socket->linger2 < 0 ? " fin-rst" : "",
               socket->reusable ? " SO_REUSEADDR" : "",
               socket->linger2 < 0 || socket->reusable ? "" : " nothing");
}

static void print_text(const struct seen *seen)
{
    line_print(stdout, "%s: %s (%d): %s", reached_texts[seen_reached(seen)], seen->name,
               (int)seen->process, why(seen));
    explain_bypasses(seen->found);
    if (seen_reached(seen) == NOT_REACHED)
        line_print(stdout, LABEL "%s", "what to do",
                   "start it by notimewait; or, for its listening sockets: notimewait attach");
    print_began(seen);
    if (seen->loaded || seen->supervised)
        print_variables(seen);
    print_switch(seen);
    if (seen->error) {
        line_print(stdout, LABEL "%s", "sockets", sockets_why_not(seen->error));
        return;
    }
    for (size_t i = 0; i < seen->count; i++)
        print_socket(&seen->sockets[i]);
    line_print(stdout, LABEL "%u, of which %u carry fin-rst", "listening", seen->listeners,
               seen->armed_listeners);
    line_print(stdout, LABEL "%u open, of which %u pass it by", "its own connections",
               seen->clients, seen->passed_by);
}

/** null: there is no board, or its switch cannot be read; "": it says nothing. */
static void print_json_switch(const struct seen *seen)
{
    char buf[8 * BOARD_WORD_SIZE];
    struct text text = text_in(buf, sizeof(buf));
    bool known = seen->board && !seen->why_no_word;
    text_json(&text, seen->word);
    printf("\"switch\":%s,", known ? buf : "null");
}

static void print_json(const struct seen *seen)
{
    char buf[1024];
    struct text text = text_in(buf, sizeof(buf));
    const char *policy = seen_variable(seen, OURS "POLICY");
    text_json(&text, seen->name);
    printf("{\"verdict\":\"%s\",\"pid\":%d,\"program\":%s,\"loaded\":%s,\"supervised\":%s,",
           reached_names[seen_reached(seen)], (int)seen->process, buf,
           seen->loaded ? "true" : "false", seen->supervised ? "true" : "false");
    text = text_in(buf, sizeof(buf));
    text_json(&text, policy ? policy : "auto");
    printf("\"policy\":%s,\"since\":%lld,", seen->loaded || seen->supervised ? buf : "null",
           (long long)seen->began);
    print_json_switch(seen);
    if (seen->error)
        printf("\"listeners\":null,\"armed_listeners\":null,\"connections\":null,\"passed_by\":"
               "null,");
    else
        printf("\"listeners\":%u,\"armed_listeners\":%u,\"connections\":%u,\"passed_by\":%u,",
               seen->listeners, seen->armed_listeners, seen->clients, seen->passed_by);
    explain_bypasses_as_json(seen->found);
    puts("}");
}

int check_process(pid_t process, bool json)
{
    static struct seen seen;
    seen_begin(process, &seen);
    bool there = seen.error != ESRCH;
    if (!there)
        complain("check: %d: %s", (int)process, sockets_why_not(ESRCH));
    else if (json)
        print_json(&seen);
    else
        print_text(&seen);
    bool works = there && seen_reached(&seen) != NOT_REACHED;
    seen_end(&seen);
    return works ? EXIT_SUCCESS : EXIT_FAILED;
}
