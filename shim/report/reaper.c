#include "report/reaper.h"

#include "kernel/cookies.h"
#include "kernel/raw.h"
#include "policy/settings.h"
#include "report/sink.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>

static struct entries *noted;

bool reaper_listens(void)
{
    return noted != NULL;
}

void reaper_note(uint64_t cookie)
{
    if (noted && cookie != 0)
        entries_note(noted, cookie);
}

/** The launcher's memory, and nothing else that one might have written to: by its seals. */
static bool is_launchers(int fd)
{
    struct stat stat;
    return next.fcntl(fd, F_GET_SEALS, NULL) == ENTRIES_SEALS && fstat(fd, &stat) == 0 &&
           stat.st_size == sizeof(*noted);
}

static struct entries *map(const char *path)
{
    int fd =
        (int)raw_call(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    void *memory = MAP_FAILED;
    if (fd >= 0 && is_launchers(fd))
        memory = mmap(NULL, sizeof(*noted), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (fd >= 0)
        raw_call(SYS_close, fd);
    return memory == MAP_FAILED ? NULL : memory;
}

static bool policy_reap_occurs(void)
{
    for (unsigned i = 0; i < settings.config.policies.count; i++)
        if (settings.config.policies.all[i].kind == POLICY_REAP)
            return true;
    return false;
}

void reaper_open(void)
{
    const char *path = settings.config.reaper;
    noted = path ? map(path) : NULL;
    if (path && !noted)
        sink_message("libnotimewait: NOTIMEWAIT_REAPER: the memory of notimewait --reap cannot "
                     "be opened (another user's?); TIME_WAIT entries of this process stay");
    else if (!noted && policy_reap_occurs())
        sink_message("libnotimewait: NOTIMEWAIT_POLICY: 'reap' needs notimewait --reap; it "
                     "acts as auto, and TIME_WAIT entries stay");
}
