#include "connection/use.h"

#include "policy/settings.h"
#include "report/stats.h"

#include <errno.h>

void use_failed(struct conn *c)
{
    if (settings.config.stats && conn_is(c, CONN_BORN))
        stats_io_error(c->policy, errno);
}
