#include "launcher/reap/reaper.h"

#include "kernel/clock.h"
#include "kernel/cookies.h"
#include "launcher/child.h"
#include "launcher/environment.h"
#include "launcher/failure.h"
#include "launcher/line.h"
#include "launcher/probe.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <unistd.h>

#define CLOSING_MS 2000 /* how long connections may take to end once the command has */

/** Where 32-bit programs can name it, too, unless something is there already. */
#define LOW_ADDRESS ((void *)0x60000000)

static struct cookies *cookies;
static int diag;

/** Lets the processes that are started from now on add to our set; false with errno. */
static bool share_cookies(void)
{
    char value[64];
    struct text text = text_in(value, sizeof(value));
    cookies = mmap(LOW_ADDRESS, sizeof(*cookies), PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (cookies == MAP_FAILED ||
        getrandom(&cookies->mark, sizeof(cookies->mark), 0) != sizeof(cookies->mark))
        return false;
    cookies->mark |= 1; /* never 0 */
    /* Yama, where it is there, lets a process only control its descendants (kernel.yama
     * .ptrace_scope = 1). The kernel still asks for the same user, and as many capabilities. */
    prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY);
    cookies_text(&text, cookies);
    environment_set("NOTIMEWAIT_REAPER", value);
    return true;
}

bool reaper_is_permitted(void)
{
    if (probe_destroy() == PROBE_POSSIBLE)
        return true;
    complain("--reap: TIME_WAIT entries cannot be removed here (see notimewait check)");
    return false;
}

bool reaper_begin(void)
{
    diag = diag_open();
    if (diag >= 0 && share_cookies())
        return true;
    complain("--reap: %s", strerror(errno));
    return false;
}

void reaper_add(uint64_t cookie)
{
    if (cookie != 0)
        atomic_store(&cookies->all[cookie % COOKIES_MAX], cookie);
}

void reaper_remove(void)
{
    (void)cookies_remove_entries(cookies, diag);
}

/** Removes until none of the connections can turn into TIME_WAIT any more. */
void reaper_end(void)
{
    int64_t deadline = clock_now() + CLOSING_MS * NS_PER_MS;
    for (unsigned ms = 1;
         cookies_remove_entries(cookies, diag).closing > 0 && clock_now() < deadline;
         ms = ms < 50 ? 2 * ms : 50)
        usleep(ms * 1000);
}

int reaper_run_command(char *const command[])
{
    static const struct child_options options = {
        .descendants = true, .tick = reaper_remove, .tick_ms = REAPER_TICK_MS};
    if (!reaper_is_permitted())
        return EXIT_USAGE;
    if (!reaper_begin())
        return EXIT_FAILED;
    child_hold_signals(CHILD_ALL_SIGNALS);
    struct child_result result = child_run(command, &options);
    reaper_end();
    return result.error ? failure_not_started(command[0], result.error) : result.status;
}
