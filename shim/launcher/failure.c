#include "launcher/failure.h"

#include "launcher/inspect.h"
#include "launcher/line.h"

#include <errno.h>
#include <string.h>

int failure_not_started(const char *command, int error)
{
    static struct library none;
    static struct inspection inspection;
    const struct inspected *last = inspect(command, &none, &inspection);
    /* execvp(3) says EACCES, too, where it may not search one of the directories in PATH. */
    bool missing = inspection.count == 1 && last->finding == FINDING_NOT_FOUND;
    if (error != ENOENT && !(error == EACCES && missing)) {
        complain("%s: %s", command, strerror(error));
        return EXIT_CANNOT_RUN;
    }
    if (inspection.count > 1) /* what is not found is the interpreter */
        complain("%s: %s: %s", command, last->path, findings[last->finding].what);
    else
        complain("%s: %s", command, findings[last->finding].what);
    return EXIT_NOT_FOUND;
}
