#include "launcher/check/verdict.h"

#include "launcher/check/script.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

const char *const reached_texts[] = {"works by preload", "works by supervision",
                                     "works in part", "does not work"};
const char *const reached_names[] = {"preload", "supervision", "part", "no"};

static void set(struct verdict *verdict, enum reached reached, const char *path,
                const char *why, const char *advice)
{
    verdict->reached = reached;
    verdict->advice = advice;
    snprintf(verdict->why, sizeof(verdict->why), "%s%s%s", path, *path ? ": " : "", why);
}

static const char *why_no_supervision(int error)
{
    if (error == EBUSY)
        return "and supervision has a listener above already (EBUSY)";
    if (error == ENOSYS || error == EINVAL)
        return "and this kernel is too old for supervision";
    return "and supervision is not allowed here";
}

/** Not by the library: perhaps from outside. */
static void judge_unreached(struct verdict *verdict, const struct inspected *last)
{
    const struct finding_info *finding = &findings[last->finding];
    bool gains = finding_gains_rights(last->finding) && !possible_to_gain_rights();
    char why[512];
    if (verdict->supervision == 0 && !gains && last->finding != FINDING_SNAP) {
        set(verdict, REACHED_BY_SUPERVISION, last->path, finding->what, finding->advice);
        return;
    }
    snprintf(why, sizeof(why), "%s%s%s", finding->what, gains ? "" : ", ",
             gains ? "" : why_no_supervision(verdict->supervision));
    set(verdict, NOT_REACHED, last->path, verdict->supervision ? why : finding->what,
        finding->advice);
}

static const char *why_reached(const struct inspection *inspection,
                               const struct inspected *last)
{
    if (last->runtime[0])
        return "dynamically linked; notimewait preloads the sanitizer's runtime first, which "
               "LD_PRELOAD alone does not";
    if (inspection->count > 1)
        return last[-1].finding == FINDING_SCRIPT
                   ? "dynamically linked; what the script starts is not looked at"
                   : "dynamically linked; what else the script starts is not looked at";
    return "dynamically linked";
}

static void judge_reached(struct verdict *verdict, const struct inspected *last)
{
    if (!bypass_look(last->path, verdict->found)) {
        set(verdict, REACHED_BY_PRELOAD, last->path, why_reached(&verdict->inspection, last),
            "");
        return;
    }
    for (int i = 0; i < BYPASSES; i++) {
        if (!verdict->found[i].path[0])
            continue;
        set(verdict, REACHED_IN_PART, verdict->found[i].path, bypasses[i].what,
            bypass_advice(i, verdict->supervision == 0));
        return;
    }
}

/** `last` is a shell that runs a script. */
static bool runs_script(const struct inspection *inspection, const struct inspected *last)
{
    return inspection->count > 1 && last[-1].finding == FINDING_SCRIPT &&
           findings[last->finding].reach == REACH_REACHED && script_is_of_shell(last->path);
}

/** Where a shell's script ends in another program, that is looked at, too, as the chain's last;
 * *known: there is no such script, which may start anything. */
static const struct inspected *follow(struct inspection *inspection,
                                      const struct inspected *last,
                                      const struct library *library, bool *known)
{
    static struct inspection next;
    char program[PATH_MAX];
    *known = true;
    while (runs_script(inspection, last)) {
        *known = false;
        if (!script_find_exec(last[-1].path, program) ||
            findings[inspect(program, library, &next)->finding].reach == REACH_NOT_STARTED ||
            inspection->count + next.count > CHAIN_MAX)
            break;
        memcpy(&inspection->chain[inspection->count], next.chain,
               next.count * sizeof(next.chain[0]));
        inspection->count += next.count;
        last = &inspection->chain[inspection->count - 1];
    }
    return last;
}

static void judge_command(struct verdict *verdict, const struct library *library)
{
    bool known;
    const struct inspected *last =
        follow(&verdict->inspection, inspect(verdict->command, library, &verdict->inspection),
               library, &known);
    bypass_find_remarks(last->path, verdict->remarks);
    switch (findings[last->finding].reach) {
    case REACH_REACHED:
        if (verdict->has_library)
            judge_reached(verdict, last);
        else if (verdict->supervision == 0)
            set(verdict, REACHED_BY_SUPERVISION, "",
                "the library is not found, or its path cannot be preloaded",
                "--by supervise needs no library");
        break;
    case REACH_NOT_REACHED:
        judge_unreached(verdict, last);
        break;
    default: /* nor where nothing is known: doubt is no promise */
        set(verdict, NOT_REACHED, last->path, findings[last->finding].what,
            findings[last->finding].advice);
    }
    verdict->known = known && findings[last->finding].reach != REACH_NOT_KNOWN;
}

/** A remark is for whoever it may surprise: of what the library does not see, where it is
 * there; of interrupted calls, where supervision is possible. */
static void drop_remarks(struct verdict *verdict)
{
    bool preloads =
        verdict->reached == REACHED_BY_PRELOAD || verdict->reached == REACHED_IN_PART;
    if (!preloads || verdict->found[BYPASS_RESOLVER].path[0])
        verdict->remarks[REMARK_RESOLVES][0] = '\0';
    if (!preloads)
        for (int i = REMARK_OPENS; i < REMARKS; i++)
            verdict->remarks[i][0] = '\0';
    if (verdict->supervision != 0 || verdict->reached == NOT_REACHED)
        verdict->remarks[REMARK_INTERRUPTS][0] = verdict->remarks[REMARK_OMITS][0] = '\0';
}

/** What could not be looked at leaves doubt. */
static bool all_is_known(const struct verdict *verdict)
{
    return verdict->known && !verdict->found[BYPASS_UNREAD].path[0] &&
           !verdict->remarks[REMARK_FLAGS][0] && !verdict->remarks[REMARK_MISSED][0] &&
           !verdict->remarks[REMARK_MODULE][0];
}

/** Of no command: what could be done here. */
static void judge_host(struct verdict *verdict)
{
    if (verdict->has_library)
        set(verdict, REACHED_BY_PRELOAD, "",
            "the library is found; whether it reaches a program: notimewait check COMMAND", "");
    else if (verdict->supervision == 0)
        set(verdict, REACHED_BY_SUPERVISION, "",
            "the library is not found, or its path cannot be preloaded",
            "--by supervise needs no library");
}

void verdict_find(const char *command, const struct library *library, struct verdict *verdict)
{
    verdict->command = command;
    verdict->known = true;
    verdict->has_library = library->path[0] != '\0';
    memset(verdict->found, 0, sizeof(verdict->found));
    memset(verdict->remarks, 0, sizeof(verdict->remarks));
    verdict->features = (struct possible_features){.keeps_signals = false};
    verdict->supervision = possible_supervision(&verdict->features);
    verdict->inspection.count = 0;
    set(verdict, NOT_REACHED, "", "the library is not found, or its path cannot be preloaded",
        "put it beside notimewait, or install it");
    if (command) {
        judge_command(verdict, library);
        drop_remarks(verdict);
        verdict->known = all_is_known(verdict);
    } else {
        judge_host(verdict);
    }
}
