#include "report/record.h"

#include "policy/settings.h"
#include "report/log.h"
#include "report/stats.h"

void record_close(const struct record *record)
{
    if (!record->established)
        return;
    if (shim.config.stats)
        stats_close(record);
    if (shim.config.log)
        log_close(record);
}
