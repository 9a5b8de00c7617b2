/*
 * figures: the results of an experiment's runs, and what may be concluded from them.
 *
 * Owns: the list of figures, and what tells a difference from noise. No system call.
 */
#ifndef FIGURES_H
#define FIGURES_H

#include "launcher/ab/records.h"
#include "policy/rules.h"

#include <stdbool.h>
#include <stddef.h>

enum figure {
    WALL_S,
    CONNECTIONS,
    CONNECT_ERRORS,
    TIME_WAIT_LEFT,
    RST_SENT,
    CUT,
    CLOSE_US,
    CONNECT_US,
    FIGURES
};

struct figure_info {
    const char *json;  /* the member's name */
    const char *label; /* in the table */
    double scale;      /* the table shows the figure multiplied by this */
    int decimals;
    bool relative; /* a difference is shown in per cent */
};

extern const struct figure_info figures[FIGURES];

/** The differences, in words. */
extern const char *const verdict_names[];

/** One run of the command; NAN where a figure could not be had. */
struct measured {
    int status; /* of its exit */
    double value[FIGURES];
    double connect_us_p99;
    bool observed;        /* a process of it has told something */
    bool contaminated;    /* own TIME_WAIT entries were there when it began */
    size_t killed;        /* processes of which nothing but their log is known */
    double unknown;       /* connections whose addresses are unknown, and so their TIME_WAIT */
    size_t still_closing; /* connections that had not ended when TIME_WAIT was counted */
};

/** The runs under one policy. */
struct series {
    char policy[32];
    struct measured *runs;
    size_t count, room;
    struct connect_error errors[CONNECT_ERRORS_MAX]; /* of all runs */
};

struct experiment {
    char *const *command;
    unsigned planned; /* runs of each arm */
    unsigned warm_up; /* runs that were not counted */
    struct series arms[ARMS_MAX];
    unsigned count;
    bool seeded; /* the order of arms is repeatable */
    uint64_t seed;
    bool interrupted, rules_ignored, files_ignored;
    int error; /* errno of a run that could not be made, or 0 */
};

/** Of one figure of one arm; all NAN where no run has it. */
struct spread {
    double median, min, max;
    size_t runs;
};

/** How many runs were made, in all. */
size_t figure_runs(const struct experiment *experiment);

/** Runs were made, and every one failed. */
bool experiment_failed(const struct experiment *experiment);

/** How many of the arm's runs are contaminated. */
size_t arm_contaminated(const struct series *arm);

struct spread figure_spread(const struct series *arm, enum figure figure);

enum figure_verdict {
    VERDICT_NONE, /* the same, or nothing to compare */
    VERDICT_NOISE,
    VERDICT_REAL,
    VERDICT_FEW, /* fewer runs have the figure than the test needs */
};

/** The arm's figure against the control's, by a test of ranks (ranks.h). */
struct comparison {
    enum figure_verdict verdict;
    double p;                   /* so probable is it by mere chance; NAN: nothing to compare */
    double estimate, low, high; /* the shift, and where it is with 95 % */
    size_t runs;                /* of each arm, that would decide; 0: not known, or decided */
};

struct comparison figure_compare(const struct series *control, const struct series *arm,
                                 enum figure figure);

/** A difference is real where chance makes one like it in at most this part of cases. */
#define CHANCE_MAX 0.05

#endif
