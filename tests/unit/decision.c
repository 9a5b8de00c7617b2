/*
 * decision: policy_decide() and policy_prepare() against the design's table, exhaustively.
 *
 * The table below says the same as policy.c in another form: rows, the first that matches wins.
 * Every combination of policy and facts is tried; every row must have been needed.
 */
#include "policy/policy.h"

#include <stdio.h>
#include <string.h>

struct row {
    const char *policy, *states, *last; /* "" is any; otherwise the names, each in spaces */
    const char *flags;                  /* 0, 1 or - (any) of each of enum flag */
    const char *result;                 /* "action reason", or the preparation */
    unsigned long used;
};

enum flag { UNACKED, UNREAD, DISCARDED, SOLE, APP_LINGER, STDIO_OUTPUT, FLAGS };

/* The states in which close() can reset (fact 10), and the others. */
#define LIVE " SYN_RECV ESTABLISHED FIN_WAIT1 FIN_WAIT2 CLOSE_WAIT "
#define DEAD " SYN_SENT TIME_WAIT CLOSE LAST_ACK LISTEN CLOSING "
#define OPEN " SYN_RECV ESTABLISHED FIN_WAIT1 FIN_WAIT2 "

#define NO_READ " none write unknown "

/* clang-format off */
static struct row decisions[] = {
    /* policy            states          last      flags     result */
    {" off ",             "",             "",       "------", "none off", 0},
    {"",                  "",             "",       "----1-", "none app-linger", 0},
    {" auto ",            "",             "",       "------", "none plain", 0},
    {"",                  DEAD,           "",       "------", "none state", 0},
    {" reap ",            " CLOSE_WAIT ", "",       "------", "none passive-close", 0},
    {" reap ",            "",             "",       "------", "none reap", 0},
    {" last-read ",       "",             NO_READ,  "------", "none not-read-last", 0},
    {" last-read ",       "",             "",       "1-----", "none unacked", 0},
    {" fin-rst ",         "",             "",       "---0--", "fin-rst shared", 0},
    {" fin-rst ",         "",             "",       "-----1", "fin-rst stdio-output", 0},
    {"",                  "",             "",       "---0--", "none shared", 0},
    {"",                  "",             "",       "-----1", "none stdio-output", 0},
    {" fin-rst ",         "",             "",       "-1----", "fin-rst unread", 0},
    {" fin-rst ",         "",             "",       "--1---", "fin-rst discarded", 0},
    {" fin-rst ",         " CLOSE_WAIT ", "",       "------", "fin-rst passive-close", 0},
    {" fin-rst ",         "",             "",       "------", "fin-rst armed", 0},
    {" last-read ",       "",             " read ", "------", "rst read-last", 0},
    {" last-read ",       "",             " eof ",  "------", "rst eof-last", 0},
    {" drain drain-eof ", "",             "",       "1-----", "none drain-timeout", 0},
    {" drain ",           "",             "",       "------", "rst drained", 0},
    {" drain-eof ",       OPEN,           "",       "------", "none drain-timeout", 0},
    {" drain-eof ",       "",             "",       "------", "rst peer-eof", 0},
    {" abort ",           "",             "",       "------", "rst abort", 0},
    {" delay ",           "",             "",       "------", "rst delayed", 0},
    {" linger ",          "",             "",       "------", "linger linger", 0},
};

static struct row preparations[] = {
    {"",                  "",             "",       "---0--", "nothing", 0},
    {"",                  "",             "",       "----1-", "nothing", 0},
    {"",                  "",             "",       "-----1", "nothing", 0},
    {" fin-rst ",         "",             "",       "------", "discard", 0},
    {"",                  DEAD,           "",       "------", "nothing", 0},
    {" drain ",           "",             "",       "------", "drain", 0},
    {" drain-eof ",       "",             "",       "------", "drain-eof", 0},
    {" delay ",           "",             "",       "------", "sleep", 0},
    {"",                  "",             "",       "------", "nothing", 0},
};
/* clang-format on */

static const char *const preparation_names[] = {
    [PREPARE_NONE] = "nothing",        [PREPARE_DISCARD] = "discard", [PREPARE_DRAIN] = "drain",
    [PREPARE_DRAIN_EOF] = "drain-eof", [PREPARE_SLEEP] = "sleep",
};

static bool in(const char *set, const char *name)
{
    char word[64];
    snprintf(word, sizeof(word), " %s ", name);
    return !set[0] || strstr(set, word) != NULL;
}

static bool flags_match(const char *flags, const struct facts *f)
{
    const bool values[FLAGS] = {
        [UNACKED] = f->unacked, [UNREAD] = f->unread,         [DISCARDED] = f->discarded,
        [SOLE] = f->sole,       [APP_LINGER] = f->app_linger, [STDIO_OUTPUT] = f->stdio_output,
    };
    for (int i = 0; i < FLAGS; i++)
        if (flags[i] != '-' && (flags[i] == '1') != values[i])
            return false;
    return true;
}

static bool matches(const struct row *row, const struct policy *policy, const struct facts *f)
{
    return in(row->policy, policy_kinds[policy->kind].name) &&
           in(row->states, state_names[f->state]) && in(row->last, last_op_names[f->last]) &&
           flags_match(row->flags, f);
}

static const char *expected(struct row *rows, size_t count, const struct policy *policy,
                            const struct facts *f)
{
    for (size_t i = 0; i < count; i++) {
        if (matches(&rows[i], policy, f)) {
            rows[i].used++;
            return rows[i].result;
        }
    }
    return "no row";
}

static unsigned long combinations;
static unsigned long failures;

static void check(const char *what, const char *got, const char *wanted,
                  const struct policy *policy, const struct facts *f)
{
    if (strcmp(got, wanted) == 0 || failures++ > 10)
        return;
    printf("%s: %s in %s, last %s, unacked %d, unread %d, discarded %d, sole %d, "
           "app_linger %d, stdio_output %d: '%s', not '%s'\n",
           what, policy_kinds[policy->kind].name, state_names[f->state], last_op_names[f->last],
           f->unacked, f->unread, f->discarded, f->sole, f->app_linger, f->stdio_output, got,
           wanted);
}

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

static void try_one(const struct policy *policy, const struct facts *f)
{
    char got[64];
    struct decision d = policy_decide(policy, f);
    snprintf(got, sizeof(got), "%s %s", action_names[d.action], reason_names[d.reason]);
    check("decision", got, expected(decisions, COUNT(decisions), policy, f), policy, f);
    check("preparation", preparation_names[policy_prepare(policy, f)],
          expected(preparations, COUNT(preparations), policy, f), policy, f);
    /* What no policy may ever do (design, sections 3 and 4). */
    bool harmless =
        f->sole && !f->stdio_output && !f->app_linger && in(LIVE, state_names[f->state]);
    bool harms = (d.action == ACTION_RST || d.action == ACTION_LINGER) && !harmless;
    bool plain = policy->kind == POLICY_OFF || policy->kind == POLICY_AUTO;
    check("harm", harms || (plain && d.action != ACTION_NONE) ? "yes" : "no", "no", policy, f);
    combinations++;
}

static void try_facts(const struct policy *policy, enum tcp_state state, enum last_op last)
{
    for (unsigned bits = 0; bits < 1 << 6; bits++) {
        struct facts facts = {
            .state = state,
            .last = last,
            .unacked = bits & 1,
            .unread = bits & 2,
            .discarded = bits & 4,
            .sole = bits & 8,
            .app_linger = bits & 16,
            .stdio_output = bits & 32,
        };
        try_one(policy, &facts);
    }
}

static void need_all(const char *name, const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (rows[i].used == 0) {
            printf("%s: row %zu (%s) never matched\n", name, i, rows[i].result);
            failures++;
        }
    }
}

int main(void)
{
    for (int kind = 0; kind < POLICY_KINDS; kind++) {
        struct policy policy = {.kind = (enum policy_kind)kind, .argument = 1};
        for (int state = STATE_ESTABLISHED; state < STATES; state++)
            for (int last = 0; last < LAST_OPS; last++)
                try_facts(&policy, (enum tcp_state)state, (enum last_op)last);
    }
    need_all("decisions", decisions, COUNT(decisions));
    need_all("preparations", preparations, COUNT(preparations));
    printf("%lu combinations, %lu failures\n", combinations, failures);
    return failures > 0;
}
