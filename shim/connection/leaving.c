#include "connection/leaving.h"

#include "connection/arming.h"
#include "connection/ask.h"
#include "connection/table.h"
#include "kernel/process.h"
#include "policy/settings.h"
#include "report/report.h"
#include "report/stats.h"
#include "report/word.h"

#include <errno.h>

/** Removes c from the table and reports it, unless it is inherited. */
static void report_left_open(int fd, struct conn *c)
{
    if (!table_remove(fd, c) || !conn_put(c))
        return;
    if (c->epoch >= process_first_epoch() && conn_may_be_behind(c, fd)) {
        struct record record = {.fd = fd, .via = VIA_EXIT, .close_ns = -1};
        struct facts facts = {0};
        ask(c, &record, &facts);
        if (conn_is(c, CONN_ARMED) && word_is_off())
            arming_undo(fd, c);
        bool armed = conn_is(c, CONN_ARMED) && !conn_is(c, CONN_APP_LINGER);
        record.decision.action =
            armed && policy_state_resets(facts.state) ? ACTION_FIN_RST : ACTION_NONE;
        record.decision.reason = REASON_EXIT;
        ask_what_it_is(c, &record);
        report_close(&record);
    }
    conn_free(c);
}

/** The records of what is left open, and the statistics. */
static void report_at_exit(void)
{
    for (int fd = table_next(0, TABLE_FDS - 1); fd >= 0;
         fd = table_next((unsigned)fd + 1, TABLE_FDS - 1)) {
        struct conn *c = table_find(fd);
        if (c && conn_is(c, CONN_BORN))
            report_left_open(fd, c);
    }
    stats_write();
}

/** `tell`: what there is to tell. */
static bool at_end(void (*tell)(void))
{
    if (!settings.reporting || !process_may_act() || !process_has_our_pid())
        return false;
    int saved = errno;
    tell();
    errno = saved;
    return true;
}

void leaving_at_exit(void)
{
    (void)at_end(report_at_exit);
}

bool leaving_at_daemon(void)
{
    return at_end(stats_write);
}
