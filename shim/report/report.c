#include "report/report.h"

#include "policy/settings.h"
#include "report/log.h"
#include "report/stats.h"

void report_close(const struct record *record)
{
    if (!record->established)
        return;
    if (settings.config.stats)
        stats_close(record);
    if (settings.config.log)
        log_close(record);
}
