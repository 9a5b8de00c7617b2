#include "launcher/preload.h"

#include "launcher/environment.h"
#include "launcher/inspect.h"
#include "launcher/line.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void complain_not_reached(const struct inspected *inspected)
{
    const struct finding_info *finding = &findings[inspected->finding];
    complain("%s: %s; %s (--anyway runs it all the same)", inspected->path, finding->what,
             finding->advice);
}

static void append_library(const struct library *library)
{
    const char *others = getenv("LD_PRELOAD");
    char *value;
    if (asprintf(&value, "%s%s%s", others ? others : "", others && *others ? ":" : "",
                 library->path) < 0)
        abort();
    environment_set("LD_PRELOAD", value);
    free(value);
}

/** Something that is preloaded is the runtime already. */
static bool has_runtime(const char *runtime)
{
    const char *value = getenv("LD_PRELOAD");
    return value && strstr(value, runtime) != NULL;
}

/** Its loader would take the library for the command's own, and say that it cannot load it:
 * musl ends then, glibc goes on. */
static bool is_of_another_kind(enum finding finding)
{
    return finding == FINDING_OTHER_LIBC || finding == FINDING_OTHER_CLASS ||
           finding == FINDING_OTHER_MACHINE;
}

bool preload_command(const char *command, const struct library *library, bool anyway)
{
    static struct inspection inspection;
    const struct inspected *last = inspect(command, library, &inspection);
    if (findings[last->finding].reach == REACH_NOT_REACHED && !anyway) {
        complain_not_reached(last);
        return false;
    }
    if (!library->preset && !is_of_another_kind(last->finding))
        append_library(library);
    if (last->runtime[0] && !has_runtime(last->runtime))
        environment_prepend("LD_PRELOAD", last->runtime);
    return true;
}

bool preload_reaches(const char *command, const struct library *library)
{
    static struct inspection inspection;
    return findings[inspect(command, library, &inspection)->finding].reach == REACH_REACHED;
}
