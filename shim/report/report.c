#include "report/report.h"

#include "policy/settings.h"
#include "report/count.h"
#include "report/log.h"

void report_close(const struct record *record)
{
    if (!record->established)
        return;
    count_close(record);
    if (settings.config.log)
        log_close(record);
}
