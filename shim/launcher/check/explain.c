#include "launcher/check/explain.h"

#include "launcher/line.h"

#include <stdio.h>
#include <string.h>

void explain_first(struct say *to, enum reached reached, bool known, const char *subject,
                   const char *why)
{
    say_string(to, "verdict", reached_names[reached]);
    say_member(to, "known", say_bool(known));
    say_string(to, "why", why);
    if (!to->json)
        line_print(stdout, "%s%s: %s%s", reached_texts[reached],
                   known ? "" : ", as far as is known", subject, why);
}

static void say_inspected(struct say *to, const char *label, const struct inspected *inspected)
{
    bool script = inspected->finding == FINDING_SCRIPT;
    const char *open = script ? " " : " (";
    const char *close = script ? "" : ")";
    bool detail = inspected->detail[0] != '\0';
    say_open(to, NULL, '{');
    say_as(to, label, "path", say_quoted(inspected->path), "%s: %s%s%s%s", inspected->path,
           findings[inspected->finding].what, detail ? open : "", inspected->detail,
           detail ? close : "");
    say_string(to, "what", findings[inspected->finding].what);
    say_string(to, "detail", inspected->detail);
    say_close(to, '}');
}

static void say_runtime(struct say *to, const struct inspection *inspection)
{
    const char *runtime =
        inspection->count > 0 ? inspection->chain[inspection->count - 1].runtime : "";
    if (*runtime)
        say_as(to, "sanitizer", "sanitizer", say_quoted(runtime),
               "%s: notimewait preloads it first", runtime);
    else
        say_string(to, "sanitizer", NULL);
}

static void say_features(struct say *to, const struct possible_features *features)
{
    say_as(to, "  signals", "wait_killable_recv", say_bool(features->keeps_signals), "%s",
           features->keeps_signals
               ? "wait once a call is received (WAIT_KILLABLE_RECV); before that, one whose "
                 "handler has no SA_RESTART may make connect() say EINTR"
               : "no WAIT_KILLABLE_RECV (Linux 5.19): one whose handler has no SA_RESTART "
                 "may make connect() say EINTR until the supervisor has answered");
    say_as(to, "  turns", "sync_wake_up", say_bool(features->wakes_in_turn), "%s",
           features->wakes_in_turn
               ? "program and supervisor take turns on one CPU (FD_SYNC_WAKE_UP)"
               : "no FD_SYNC_WAKE_UP (Linux 6.6): each call takes longer, since another "
                 "CPU may have to wake up, and a signal has more time to interrupt it");
}

void explain_supervision(struct say *to, const struct verdict *verdict)
{
    bool possible = verdict->supervision == 0;
    bool gains = possible && possible_to_gain_rights();
    if (possible)
        say_as(to, "supervision", "supervision", "true", "possible%s",
               gains ? "" : "; programs below it cannot gain rights (no_new_privs)");
    else
        say_as(to, "supervision", "supervision", "false", "not possible here: %s",
               strerror(verdict->supervision));
    say_string(to, "supervision_error", possible ? NULL : strerror(verdict->supervision));
    say_member(to, "supervision_keeps_rights", possible ? say_bool(gains) : "null");
    if (possible) {
        say_features(to, &verdict->features);
        return;
    }
    say_string(to, "wait_killable_recv", NULL); /* not tried */
    say_string(to, "sync_wake_up", NULL);
}

void explain_bypasses(struct say *to, const struct bypass_found found[BYPASSES],
                      bool supervision)
{
    say_open(to, "findings", '[');
    for (int i = 0; i < BYPASSES; i++) {
        const struct bypass_info *info = &bypasses[i];
        if (!found[i].path[0])
            continue;
        say_open(to, NULL, '{');
        say_string(to, "finding", info->name);
        say_string(to, "path", found[i].path);
        say_as(to, "not seen", "what", say_quoted(info->what), "%s: %s", found[i].path,
               info->what);
        if (found[i].detail[0])
            say(to, "  where loaded", "loads", "%s", found[i].detail);
        else
            say_string(to, "loads", "");
        say(to, "  what to do", "advice", "%s", bypass_advice(i, supervision));
        say_close(to, '}');
    }
    say_close(to, ']');
}

static void say_command(struct say *to, const struct inspection *inspection)
{
    if (inspection->count > 0)
        say_string(to, "command", inspection->chain[0].path);
    say_open(to, "chain", '[');
    for (unsigned i = 0; i < inspection->count; i++)
        say_inspected(to, i == 0 ? "command" : "", &inspection->chain[i]);
    say_close(to, ']');
    say_runtime(to, inspection);
}

/** Where bypasses say what to do, the verdict's own is one of theirs. */
static void say_advice(struct say *to, const struct verdict *verdict)
{
    bool said = verdict->reached == REACHED_IN_PART && bypass_any(verdict->found);
    if (said || !verdict->advice[0])
        say_string(to, "advice", verdict->advice);
    else
        say(to, "what to do", "advice", "%s", verdict->advice);
}

static void say_remarks(struct say *to, const struct verdict *verdict)
{
    for (int i = 0; i < REMARKS; i++)
        if (verdict->remarks[i][0])
            say_as(to, remarks[i].label, remarks[i].name, say_quoted(verdict->remarks[i]),
                   "%s: %s", verdict->remarks[i], remarks[i].what);
        else
            say_string(to, remarks[i].name, "");
}

void explain_verdict(struct say *to, const struct verdict *verdict)
{
    explain_first(to, verdict->reached, verdict->known, "", verdict->why);
    explain_bypasses(to, verdict->found, verdict->supervision == 0);
    say_advice(to, verdict);
    say_remarks(to, verdict);
    say_command(to, &verdict->inspection);
}
