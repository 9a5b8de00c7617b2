#include "launcher/supervise/births.h"

#include "launcher/line.h"
#include "launcher/supervise/processes.h"
#include "launcher/supervise/target.h"
#include "policy/settings.h"
#include "report/tally.h"
#include "report/word.h"

#include <errno.h>
#include <string.h>

static bool counting; /* on the board */

bool births_begin(void)
{
    const char *path = settings.config.board;
    struct board_view view;
    const char *why = path ? board_open(path, &view) : NULL;
    if (why) {
        complain("--board: '%s': %s%s%s", path, why, errno ? ": " : "",
                 errno ? strerror(errno) : "");
        return false;
    }
    processes_begin(settings.config.stats);
    counting = path != NULL;
    if (counting)
        tally_use(&view);
    return true;
}

void births_count(pid_t thread, const struct policy *arm, const union address *peer,
                  bool recycled)
{
    static char last[256];
    char program[256];
    target_program(thread, program, sizeof(program));
    processes_count(thread, program, arm, recycled);
    if (!counting)
        return;
    if (strcmp(program, last) != 0) {
        memcpy(last, program, sizeof(last));
        tally_for(last);
    }
    tally_connection(arm, SLOT_NONE);
    tally_peer(arm, SLOT_NONE, peer);
    if (recycled)
        tally_recycled(arm, SLOT_NONE);
}

const struct split *births_split(const struct rules *rules, const struct newborn *born)
{
    static struct split of_board;
    enum word word = word_now(&of_board);
    const struct split *otherwise = word == WORD_NOTHING ? &settings.config.split : &of_board;
    return word == WORD_OFF ? &of_board : rules_find(rules, born, otherwise);
}
