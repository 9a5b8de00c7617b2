#include "report/reaper.h"

#include "kernel/cookies.h"
#include "policy/settings.h"
#include "report/sink.h"

#include <stddef.h>

static struct cookies_remote launcher;
static bool listens;

bool reaper_listens(void)
{
    return listens;
}

void reaper_note(uint64_t cookie)
{
    if (listens && cookie != 0)
        (void)cookies_remote_add(&launcher, cookie);
}

static bool is_reap(const struct policy *policy)
{
    return policy->kind == POLICY_REAP;
}

void reaper_open(void)
{
    const char *value = settings.config.reaper;
    listens =
        value && cookies_remote_parse(value, &launcher) && cookies_remote_reached(&launcher);
    if (value && !listens)
        sink_message("libnotimewait: NOTIMEWAIT_REAPER: notimewait --reap cannot be reached "
                     "(another user's, or ended); TIME_WAIT entries of this process stay");
    else if (!listens && policies_any(&settings.config.policies, is_reap))
        sink_message("libnotimewait: NOTIMEWAIT_POLICY: 'reap' needs notimewait --reap; it "
                     "acts as auto, and TIME_WAIT entries stay");
}
