#include "launcher/check/process.h"

#include "launcher/check/explain.h"
#include "launcher/check/say.h"
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
static void say_since(struct say *to, const struct seen *seen)
{
    if (seen->loaded)
        say(to, "loaded since", "loaded_since",
            "it ran this program (a preload is mapped at exec), at the earliest then; or "
            "then, as a copy of its parent");
    if (seen->supervised)
        say(to, "supervised since", "supervised_since",
            "then: the filter is there before the program, and children inherit it");
    if (!seen->loaded && !seen->supervised && seen->armed_listeners > 0)
        say(to, "attached since", "attached_since",
            "not known; connections that were accepted before are as they were");
}

static void say_began(struct say *to, const struct seen *seen)
{
    char text[64];
    struct tm local;
    const char *began = say_number((long long)seen->began);
    if (!seen->began || !localtime_r(&seen->began, &local) ||
        !strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &local)) {
        say_member(to, "since", began);
        return;
    }
    say_as(to, "running since", "since", began, "%s", text);
    say_since(to, seen);
}

/** In JSON null: there is no board, or its switch cannot be read; "": it says nothing. */
static void say_switch(struct say *to, const struct seen *seen)
{
    const char *word = say_quoted(seen->word);
    if (!seen->board)
        say_string(to, "switch", NULL);
    else if (seen->why_no_word)
        say_as(to, "  switch", "switch", "null", "not known: %s%s%s", seen->why_no_word,
               seen->word_error ? ": " : "",
               seen->word_error ? strerror(seen->word_error) : "");
    else if (!seen->word[0])
        say_as(to, "  switch", "switch", word,
               "not used, or reset: " OURS "POLICY is in force");
    else if (strcmp(seen->word, "off") == 0)
        say_as(to, "  switch", "switch", word,
               "off: nothing acts on connections born since, and no lever is pulled");
    else
        say_as(to, "  switch", "switch", word, "%s, in place of " OURS "POLICY", seen->word);
}

static void say_variable(struct say *to, const char *variable)
{
    char name[64];
    const char *value = strchr(variable, '=');
    snprintf(name, sizeof(name), "%.*s", (int)strcspn(variable, "="), variable);
    say(to, name, name, "%s", value ? value + 1 : "");
}

static void say_variables(struct say *to, const struct seen *seen)
{
    const char *policy = seen_variable(seen, OURS "POLICY");
    say_as(to, OURS "POLICY", "policy", say_quoted(policy ? policy : "auto"), "%s%s",
           policy ? policy : "auto", policy ? "" : " (default)");
    say_open(to, "variables", '{');
    for (const char *at = seen->environment; *at; at += strlen(at) + 1)
        if (strncmp(at, OURS, OURS_LEN) == 0 && strncmp(at, OURS "POLICY=", OURS_LEN + 7) != 0)
            say_variable(to, at);
    say_close(to, '}');
}

static void say_socket(struct say *to, const struct process_socket *socket)
{
    char addresses[128];
    struct text text = text_in(addresses, sizeof(addresses));
    bool armed = socket->linger2 < 0;
    if (socket->state == STATE_CLOSE)
        return;
    address_text(&text, &socket->local);
    if (socket->peer.any.sa_family != AF_UNSPEC) {
        text_str(&text, " to ");
        address_text(&text, &socket->peer);
    }
    say_open(to, NULL, '{');
    say_as(to, "socket", "fd", say_number(socket->number), "fd %d, %s, %s:%s%s%s",
           socket->number, addresses, state_names[socket->state], armed ? " fin-rst" : "",
           socket->reusable ? " SO_REUSEADDR" : "",
           armed || socket->reusable ? "" : " nothing");
    say_string(to, "addresses", addresses);
    say_string(to, "state", state_names[socket->state]);
    say_member(to, "fin_rst", say_bool(armed));
    say_member(to, "reuse_address", say_bool(socket->reusable));
    say_close(to, '}');
}

static void say_unknown_sockets(struct say *to, int error)
{
    static const char *const names[] = {"listeners", "armed_listeners", "connections",
                                        "passed_by", "not_judged"};
    say_as(to, "sockets", "sockets", "null", "%s", sockets_why_not(error));
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        say_string(to, names[i], NULL);
}

static void say_sockets(struct say *to, const struct seen *seen)
{
    say_string(to, "sockets_error", seen->error ? sockets_why_not(seen->error) : NULL);
    if (seen->error) {
        say_unknown_sockets(to, seen->error);
        return;
    }
    say_open(to, "sockets", '[');
    for (size_t i = 0; i < seen->count; i++)
        say_socket(to, &seen->sockets[i]);
    say_close(to, ']');
    say_as(to, "listening", "listeners", say_number(seen->listeners),
           "%u, of which %u carry fin-rst", seen->listeners, seen->armed_listeners);
    say_member(to, "armed_listeners", say_number(seen->armed_listeners));
    say_as(to, "its own connections", "connections", say_number(seen->clients),
           "%u open, of which %u pass it by", seen->clients, seen->passed_by);
    say_member(to, "passed_by", say_number(seen->passed_by));
    if (seen->not_judged > 0)
        say_as(to, "  not judged", "not_judged", say_number(seen->not_judged),
               "%u: they bound their ports, or nothing is set on them that shows",
               seen->not_judged);
    else
        say_member(to, "not_judged", "0");
}

/** Of another run of the same program. */
static bool is_supervision_possible(void)
{
    struct possible_features features;
    return possible_supervision(&features) == 0;
}

static void say_process(struct say *to, const struct seen *seen)
{
    char subject[64];
    snprintf(subject, sizeof(subject), "%s (%d): ", seen->name, (int)seen->process);
    explain_first(to, seen_reached(seen), true, subject, why(seen));
    say_member(to, "pid", say_number(seen->process));
    say_string(to, "program", seen->name);
    say_member(to, "loaded", say_bool(seen->loaded));
    say_member(to, "supervised", say_bool(seen->supervised));
    explain_bypasses(to, seen->found, !bypass_any(seen->found) || is_supervision_possible());
    if (seen_reached(seen) == NOT_REACHED)
        say(to, "what to do", "advice",
            "start it by notimewait; or, for its listening sockets: notimewait attach");
    else
        say_string(to, "advice", "");
    say_began(to, seen);
    if (seen->loaded || seen->supervised)
        say_variables(to, seen);
    else
        say_string(to, "policy", NULL);
    say_switch(to, seen);
    say_sockets(to, seen);
}

int check_process(pid_t process, bool json)
{
    static struct seen seen;
    seen_begin(process, &seen);
    bool there = seen.error != ESRCH;
    struct say to = {.json = false};
    if (!there) {
        complain("check: %d: %s", (int)process, sockets_why_not(ESRCH));
    } else {
        to = say_begin(json);
        say_process(&to, &seen);
        say_end(&to);
    }
    bool works = there && seen_reached(&seen) != NOT_REACHED;
    seen_end(&seen);
    return works ? EXIT_SUCCESS : EXIT_FAILED;
}
