#include "report/report.h"

#include "policy/settings.h"
#include "report/count.h"
#include "report/log.h"
#include "report/sink.h"
#include "report/tally.h"

#include <errno.h>
#include <string.h>

static void complain(const char *path, const char *why)
{
    char line[512];
    struct text text = text_in(line, sizeof(line));
    text_str(&text, "libnotimewait: NOTIMEWAIT_BOARD: '");
    text_printable(&text, path, strlen(path), 200);
    text_str(&text, "' is not used: ");
    text_str(&text, why);
    text_str(&text, errno ? ": " : "");
    text_str(&text, errno ? strerror(errno) : "");
    text_str(&text, "; policies still apply");
    sink_message(line);
}

bool report_open_board(const char *path)
{
    struct board_view view;
    const char *why = board_open(path, &view);
    if (why && errno == ENOENT) {
        why = board_make(path);
        why = why ? why : board_open(path, &view);
    }
    if (why)
        complain(path, why);
    else
        tally_use(&view);
    return !why;
}

void report_close(const struct record *record)
{
    if (!record->established)
        return;
    count_close(record);
    if (settings.config.log)
        log_close(record);
}
