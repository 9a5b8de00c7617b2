#include "report/count.h"

#include "policy/settings.h"
#include "report/stats.h"
#include "report/tally.h"

#include <errno.h>

void count_connection(const struct policy *policy, uint32_t slot)
{
    if (settings.config.stats)
        stats_connection(policy);
    if (settings.config.board)
        tally_connection(policy, slot);
}

void count_peer(const struct policy *policy, uint32_t slot, const union address *peer)
{
    if (settings.config.board)
        tally_peer(policy, slot, peer);
}

void count_recycled(const struct policy *policy, uint32_t slot)
{
    if (settings.config.stats)
        stats_recycled(policy);
    if (settings.config.board)
        tally_recycled(policy, slot);
}

static void count_time(const struct policy *policy, uint32_t slot, uint64_t ns)
{
    if (settings.config.stats)
        stats_connect_time(policy, ns);
    if (settings.config.board)
        tally_connect_time(policy, slot, ns);
}

void count_connect(const struct policy *policy, uint32_t slot, int64_t ns, int error)
{
    if (error == EINPROGRESS || error == EINTR || error == EALREADY || error == EISCONN)
        return; /* the handshake began before, or goes on */
    if (error == 0 && ns >= 0)
        count_time(policy, slot, (uint64_t)ns);
    if (error > 0 && settings.config.stats)
        stats_connect_error(policy, error);
    if (error > 0 && settings.config.board)
        tally_connect_error(policy, slot, error);
}

bool count_io_error(const struct policy *policy, uint32_t slot, int error, bool first)
{
    if (error <= 0 || error == EAGAIN || error == EINTR || error == EINPROGRESS)
        return false;
    if (settings.config.stats)
        stats_io_error(policy, error);
    if (settings.config.board)
        tally_io_error(policy, slot, error, first);
    return true;
}

void count_close(const struct record *record)
{
    if (settings.config.stats)
        stats_close(record);
    if (settings.config.board)
        tally_close(record);
}
