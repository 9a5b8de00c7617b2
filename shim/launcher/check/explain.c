#include "launcher/check/explain.h"

#include "launcher/line.h"
#include "policy/text.h"

#include <stdio.h>
#include <string.h>

static void print_inspected(const char *label, const struct inspected *inspected)
{
    bool script = inspected->finding == FINDING_SCRIPT;
    const char *open = script ? " " : " (";
    const char *close = script ? "" : ")";
    bool detail = inspected->detail[0] != '\0';
    line_print(stdout, LABEL "%s: %s%s%s%s", label, inspected->path,
               findings[inspected->finding].what, detail ? open : "", inspected->detail,
               detail ? close : "");
}

static void print_runtime(const struct inspected *inspected)
{
    if (inspected->runtime[0])
        line_print(stdout, LABEL "%s: notimewait preloads it first", "sanitizer",
                   inspected->runtime);
}

static void explain_features(const struct possible_features *features)
{
    line_print(
        stdout, LABEL "%s", "  signals",
        features->keeps_signals
            ? "wait once a call is received (WAIT_KILLABLE_RECV); before that, one whose "
              "handler has no SA_RESTART may make connect() say EINTR"
            : "no WAIT_KILLABLE_RECV (Linux 5.19): one whose handler has no SA_RESTART "
              "may make connect() say EINTR until the supervisor has answered");
    line_print(stdout, LABEL "%s", "  turns",
               features->wakes_in_turn
                   ? "program and supervisor take turns on one CPU (FD_SYNC_WAKE_UP)"
                   : "no FD_SYNC_WAKE_UP (Linux 6.6): each call takes longer, since another "
                     "CPU may have to wake up, and a signal has more time to interrupt it");
}

void explain_supervision(const struct verdict *verdict)
{
    if (verdict->supervision != 0) {
        line_print(stdout, LABEL "not possible here: %s", "supervision",
                   strerror(verdict->supervision));
        return;
    }
    line_print(stdout, LABEL "possible%s", "supervision",
               possible_to_gain_rights()
                   ? ""
                   : "; programs below it cannot gain rights (no_new_privs)");
    explain_features(&verdict->features);
}

void explain_bypasses(const struct bypass_found found[BYPASSES])
{
    for (int i = 0; i < BYPASSES; i++) {
        if (!found[i].path[0])
            continue;
        line_print(stdout, LABEL "%s: %s", "not seen", found[i].path, bypasses[i].what);
        if (found[i].detail[0])
            line_print(stdout, LABEL "%s", "  where loaded", found[i].detail);
        line_print(stdout, LABEL "%s", "  what to do", bypasses[i].advice);
    }
}

static void explain_command(const struct inspection *inspection)
{
    for (unsigned i = 0; i < inspection->count; i++)
        print_inspected(i == 0 ? "command" : "", &inspection->chain[i]);
    if (inspection->count > 0)
        print_runtime(&inspection->chain[inspection->count - 1]);
}

void explain_verdict(const struct verdict *verdict)
{
    line_print(stdout, "%s: %s", reached_texts[verdict->reached], verdict->why);
    explain_bypasses(verdict->found);
    bool said = verdict->reached == REACHED_IN_PART && bypass_any(verdict->found);
    if (!said && verdict->advice[0])
        line_print(stdout, LABEL "%s", "what to do", verdict->advice);
    for (int i = 0; i < REMARKS; i++)
        if (verdict->remarks[i][0])
            line_print(stdout, LABEL "%s: %s", remarks[i].label, verdict->remarks[i],
                       remarks[i].what);
    explain_command(&verdict->inspection);
}

/** "name":"value" with its escapes; a comma before it. */
static void print_member(const char *name, const char *value)
{
    char buf[8 * PATH_MAX];
    struct text text = text_in(buf, sizeof(buf));
    text_json(&text, value);
    printf(",\"%s\":%s", name, buf);
}

void explain_bypasses_as_json(const struct bypass_found found[BYPASSES])
{
    bool first = true;
    printf("\"findings\":[");
    for (int i = 0; i < BYPASSES; i++) {
        if (!found[i].path[0])
            continue;
        printf("%s{\"finding\":\"%s\"", first ? "" : ",", bypasses[i].name);
        print_member("path", found[i].path);
        print_member("what", bypasses[i].what);
        print_member("loads", found[i].detail);
        print_member("advice", bypasses[i].advice);
        putchar('}');
        first = false;
    }
    putchar(']');
}

static const char *boolean(bool value)
{
    return value ? "true" : "false";
}

/** null where it was not tried: supervision is not possible. */
static void print_feature(const struct verdict *verdict, const char *name, bool has)
{
    printf(",\"%s\":%s", name, verdict->supervision != 0 ? "null" : boolean(has));
}

void explain_as_json(const struct verdict *verdict, const struct library *library,
                     bool configured)
{
    printf("{\"verdict\":\"%s\"", reached_names[verdict->reached]);
    print_member("why", verdict->why);
    print_member("advice", verdict->advice);
    if (verdict->inspection.count > 0)
        print_member("command", verdict->inspection.chain[0].path);
    print_member("library", library->path);
    for (int i = 0; i < REMARKS; i++)
        print_member(remarks[i].name, verdict->remarks[i]);
    printf(",\"supervision\":%s", boolean(verdict->supervision == 0));
    print_feature(verdict, "wait_killable_recv", verdict->features.keeps_signals);
    print_feature(verdict, "sync_wake_up", verdict->features.wakes_in_turn);
    printf(",\"configured\":%s,", boolean(configured));
    explain_bypasses_as_json(verdict->found);
    puts("}");
}
