#include "launcher/report/watch.h"

#include "kernel/clock.h"
#include "launcher/failure.h"
#include "launcher/line.h"
#include "launcher/report/read.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#define PERIOD_MS 1000

static struct termios before;

/** A figure: its value, how much it grows a second now, and since the first look. */
struct look {
    struct data data, arms;
    int64_t ns;
};

static volatile sig_atomic_t ended;

static void end(int signal)
{
    (void)signal;
    ended = 1;
}

static void wake(int signal)
{
    (void)signal; /* the window has another size: poll() returns */
}

/** Keys come at once and unseen; the screen behind stays. */
static bool begin(void)
{
    struct termios raw;
    struct sigaction ending = {.sa_handler = end};
    struct sigaction waking = {.sa_handler = wake};
    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO) || tcgetattr(STDIN_FILENO, &before)) {
        complain("--watch needs a terminal");
        return false;
    }
    raw = before;
    raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
    tcsetattr(STDIN_FILENO, TCSANOW, &raw);
    sigaction(SIGINT, &ending, NULL);
    sigaction(SIGTERM, &ending, NULL);
    sigaction(SIGHUP, &ending, NULL);
    sigaction(SIGWINCH, &waking, NULL);
    fputs("\033[?1049h\033[?25l\033[H\033[2J", stdout); /* another screen, no cursor */
    return true;
}

static void finish(void)
{
    fputs("\033[?25h\033[?1049l", stdout);
    fflush(stdout);
    tcsetattr(STDIN_FILENO, TCSANOW, &before);
}

/** Lines of a text, as many and as wide as the window is, over what was there: no flicker. */
static void draw(char *text)
{
    struct winsize size = {0};
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_row == 0 || size.ws_col == 0)
        size = (struct winsize){.ws_row = 24, .ws_col = 80}; /* a serial line tells none */
    fputs("\033[H", stdout);
    for (unsigned row = 1; row <= size.ws_row; row++) {
        size_t len = strcspn(text, "\n");
        int width = len < size.ws_col ? (int)len : size.ws_col;
        printf("%.*s\033[K%s", width, text, row < size.ws_row ? "\n" : "");
        text += len + (text[len] != '\0');
    }
    fflush(stdout);
}

/** The same arm of another look, or one in which nothing is counted. */
static const struct row *arm_of(const struct look *look, const char *policy)
{
    static const struct row none;
    for (size_t i = 0; i < look->arms.rows_count; i++)
        if (strcmp(look->arms.rows[i].policy, policy) == 0)
            return &look->arms.rows[i];
    return &none;
}

static double rate(uint64_t now, uint64_t then, int64_t ns)
{
    return now < then || ns <= 0 ? 0 : (double)(now - then) / ((double)ns / NS_PER_S);
}

/** Three looks: the first, the last but one, and the last. */
struct looks {
    struct look first, last, now;
};

static void print_figure(FILE *file, const struct looks *looks, const char *label,
                         uint64_t (*figure)(const struct row *arm), const char *policy)
{
    uint64_t now = figure(arm_of(&looks->now, policy));
    fprintf(file, "%-26s%12.0f%10.1f%10.1f\n", label, (double)now,
            rate(now, figure(arm_of(&looks->last, policy)), looks->now.ns - looks->last.ns),
            rate(now, figure(arm_of(&looks->first, policy)), looks->now.ns - looks->first.ns));
}

static uint64_t connections(const struct row *arm)
{
    return arm->connections;
}

static uint64_t closes(const struct row *arm)
{
    return arm->closes;
}

static uint64_t recycled(const struct row *arm)
{
    return arm->recycled;
}

static uint64_t resets(const struct row *arm)
{
    return arm->resets;
}

static uint64_t no_port(const struct row *arm)
{
    return arm->connect_errors[EADDRNOTAVAIL];
}

static uint64_t broken(const struct row *arm)
{
    return arm->broken;
}

static void print_times(FILE *file, const char *label, const uint64_t times[HISTOGRAM_BUCKETS])
{
    static const int percents[] = {50, 90, 99};
    char buf[24];
    fprintf(file, "%s, us:", label);
    for (size_t i = 0; i < sizeof(percents) / sizeof(percents[0]); i++)
        fprintf(file, "  p%d %s", percents[i],
                show_us(times_percentile(times, percents[i]), buf));
    fprintf(file, "  max %s\n", show_us(times_max(times), buf));
}

static void print_arm(FILE *file, const struct looks *looks, const struct row *arm)
{
    line_print(file, "%-26s%12s%10s%10s", arm->policy, "value", "now/s", "since/s");
    print_figure(file, looks, "connections", connections, arm->policy);
    print_figure(file, looks, "closes", closes, arm->policy);
    print_figure(file, looks, "failed connects", row_failed, arm->policy);
    print_figure(file, looks, "  EADDRNOTAVAIL", no_port, arm->policy);
    print_figure(file, looks, "failed reads, writes", broken, arm->policy);
    print_figure(file, looks, "recycled", recycled, arm->policy);
    print_figure(file, looks, "reset by us", resets, arm->policy);
    fprintf(file, "%-26s%12.0f\n", "TIME_WAIT now", (double)arm->time_wait_now);
    print_times(file, "connect", arm->connect_ns);
    print_times(file, "close", arm->close_ns);
    fputc('\n', file);
}

static void print(FILE *file, const struct looks *looks, const char *name)
{
    struct shown shown = {.all = &looks->now.data, .arms = &looks->now.arms};
    struct difference *differences =
        compare(&looks->now.data, &looks->now.arms, &shown.differences_count);
    shown.differences = differences;
    line_print(file, "%s, since %.0f s (q: quit)", name,
               (double)(looks->now.ns - looks->first.ns) / NS_PER_S);
    fputc('\n', file);
    if (shown.arms->rows_count == 0)
        fputs("No connection yet.\n", file);
    for (size_t i = 0; i < shown.arms->rows_count; i++)
        print_arm(file, looks, &shown.arms->rows[i]);
    show_verdicts(&shown, file);
    free(differences);
}

static void show(const struct looks *looks, const char *name)
{
    char *text = NULL;
    size_t size = 0;
    FILE *file = open_memstream(&text, &size);
    if (!file)
        return;
    print(file, looks, name);
    if (fclose(file) == 0)
        draw(text);
    free(text);
}

/** Waits for a second, a key or a signal; false where it ends. */
static bool wait_for_key(void)
{
    struct pollfd key = {.fd = STDIN_FILENO, .events = POLLIN};
    char c = '\0';
    if (poll(&key, 1, PERIOD_MS) <= 0)
        return !ended;
    return read(STDIN_FILENO, &c, 1) == 1 && c != 'q' && c != 'Q' && !ended;
}

static bool look_at(watch_read *read, void *context, struct look *look)
{
    *look = (struct look){.ns = clock_now()};
    if (!read(context, &look->data))
        return false;
    data_arms(&look->data, &look->arms);
    read_time_wait(&look->arms);
    return true;
}

static void forget(struct look *look)
{
    data_free(&look->data);
    data_free(&look->arms);
}

int watch(watch_read *read, void *context, const char *name)
{
    static struct looks looks;
    if (!look_at(read, context, &looks.first) || !begin())
        return EXIT_FAILED;
    looks.last = looks.first;
    bool more = true;
    while (more && look_at(read, context, &looks.now)) {
        show(&looks, name);
        more = wait_for_key();
        if (looks.last.ns != looks.first.ns)
            forget(&looks.last);
        looks.last = looks.now;
    }
    finish();
    return EXIT_SUCCESS;
}
