#include "reaper.h"

#include "kernel/clock.h"
#include "kernel/cookies.h"
#include "launcher.h"
#include "line.h"
#include "probe.h"
#include "run.h"
#include "trial.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define TICK_MS   200
#define SETTLE_MS 2000 /* for connections that still close at the end */

static struct entries *entries;
static int diag;

/** Shares a set with the processes that are started from now on; false with errno. */
static bool share(void)
{
    char path[64];
    int fd = memfd_create("notimewait", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0 || ftruncate(fd, sizeof(*entries)) != 0 ||
        fcntl(fd, F_ADD_SEALS, ENTRIES_SEALS) != 0)
        return false;
    entries = mmap(NULL, sizeof(*entries), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    (void)snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)getpid(), fd);
    run_set("NOTIMEWAIT_REAPER", path);
    return entries != MAP_FAILED;
}

static void pass(void)
{
    (void)entries_pass(entries, diag);
}

/** Until none of the connections can turn into TIME_WAIT any more. */
static void settle(void)
{
    int64_t deadline = clock_now() + SETTLE_MS * NS_PER_MS;
    for (unsigned ms = 1; entries_pass(entries, diag).closing > 0 && clock_now() < deadline;
         ms = ms < 50 ? 2 * ms : 50)
        usleep(ms * 1000);
}

int reaper_run(char *const command[])
{
    static const struct trial_way way = {.tick = pass, .tick_ms = TICK_MS};
    if (probe_destroy() != PROBE_POSSIBLE) {
        complain("--reap: TIME_WAIT entries cannot be removed here (see notimewait check)");
        return EXIT_USAGE;
    }
    diag = diag_open();
    if (diag < 0 || !share()) {
        complain("--reap: %s", strerror(errno));
        return EXIT_FAILED;
    }
    trial_begin(TRIAL_ALL);
    struct trial trial = trial_run(command, &way);
    settle();
    return trial.error ? run_failed(command[0], trial.error) : trial.status;
}
