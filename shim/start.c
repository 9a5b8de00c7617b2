/*
 * start: what happens when the library is loaded, and when the process exits.
 */
#include "connection/birth.h"
#include "connection/draw.h"
#include "connection/leaving.h"
#include "connection/rights.h"
#include "connection/table.h"
#include "kernel/clock.h"
#include "kernel/libc.h"
#include "kernel/lock.h"
#include "kernel/memory.h"
#include "kernel/ports.h"
#include "kernel/process.h"
#include "policy/number.h"
#include "policy/settings.h"
#include "policy/text.h"
#include "report/reaper.h"
#include "report/report.h"
#include "report/sink.h"
#include "report/stats.h"
#include "report/word.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

static void at_exit(void *unused)
{
    (void)unused;
    leaving_at_exit();
}

/** The value of a variable of `env`, named with its "=", as a number; 0 where it is none. */
static long number_of(char **env, const char *name)
{
    uint64_t number = 0;
    for (; *env; env++) {
        const char *value = text_behind(*env, name);
        if (value && number_parse(value, strlen(value), 0, INT32_MAX, &number))
            break;
    }
    return (long)number;
}

/** Connections that came with the process: inetd's fds 0 to 2, systemd's 3...
 * (sd_listen_fds(3)) */
static void adopt_inherited(char **env)
{
    int last = STDERR_FILENO;
    long passed = number_of(env, "LISTEN_FDS=");
    if (passed > 0 && passed < 1024 && number_of(env, "LISTEN_PID=") == process_pid())
        last += (int)passed;
    for (int fd = 0; fd <= last; fd++)
        birth_inherited(fd);
}

static bool is_last_read(const struct policy *policy)
{
    return policy->kind == POLICY_LAST_READ;
}

/** Whether reads and writes are to be noted: the last operation is told or decides, or errors
 * are counted. */
static bool notes_io(void)
{
    return settings.reporting || policies_any(&settings.config.policies, is_last_read);
}

static void in_child(void)
{
    ports_reset();
    rights_in_child();
    word_in_child();
}

/** The same, and what other files have registered for fork(), which did not call it. */
static void in_unseen_child(void)
{
    draw_in_child();
    in_child();
    stats_reset();
}

static void start_reporting(void)
{
    if (settings.config.log && !sink_open(&sink_log, settings.config.log))
        settings.config.log = NULL;
    if (settings.config.stats && !sink_open(&sink_stats, settings.config.stats))
        settings.config.stats = NULL;
    if (settings.config.board && !report_open_board(settings.config.board))
        settings.config.board = NULL;
    settings.counting = settings.config.stats || settings.config.board;
    settings.reporting = settings.asking || settings.counting;
    pthread_atfork(NULL, NULL, stats_reset);
}

/** Registered before anybody else's: called after all of them, destructors included. */
static void watch_exit(void)
{
    int (*register_exit)(void (*function)(void *), void *argument, void *object);
    next_own(&register_exit, "__cxa_atexit");
    if (register_exit)
        register_exit(at_exit, NULL, NULL);
    (void)at_quick_exit(leaving_at_exit);
}

/** What the configuration makes necessary. */
static void derive_settings(void)
{
    struct config *config = &settings.config;
    settings.asking = config->log || config->stats;
    settings.counting = config->stats || config->board;
    settings.reporting = settings.asking || settings.counting;
    settings.addresses = config->log || rules_need_address(&config->rules);
    settings.active = settings.reporting || config_acts(config);
}

/** The library was built for another libc than this one, which is older. */
static void tell_of_libc(void)
{
    char line[256];
    struct text text = text_in(line, sizeof(line));
    if (!next_lacks())
        return;
    text_str(&text, "libnotimewait: it was built for a newer libc, and offers the program ");
    text_str(&text, next_lacks());
    text_str(&text, "(), which this libc does not have; build it on this system");
    sink_message(line);
}

/** Looked for where a rule needs it: that takes its time. */
static int first_pton(int family, const char *s, void *to)
{
    next_own(&address_pton, "inet_pton");
    return address_pton(family, s, to);
}

/** The kernel's clock, where another library, or the program, has one by the name of libc's. */
static void find_clock(void)
{
    struct timespec ts;
    if (!next_is_libcs((uintptr_t)clock_gettime) && clock_by_number(CLOCK_MONOTONIC, &ts) == 0)
        clock_source = clock_by_number;
}

static void start(char **env)
{
    char error[CONFIG_ERROR_SIZE];
    sink_init();
    tell_of_libc();
    address_pton = first_pton;
    if (!config_parse(env, &settings.config, error)) {
        sink_message(error);
        return;
    }
    find_clock();
    process_init(in_unseen_child);
    memory_init();
    settings.config.policies.settled = true;
    rules_for_program(&settings.config.rules, process_program());
    derive_settings();
    if (!settings.active)
        return;
    table_noted_fds = notes_io() ? TABLE_FDS : 0;
    draw_init();
    pthread_atfork(lock_forking, lock_forked, in_child);
    reaper_open();
    settings.cookies = reaper_listens() || settings.config.override_app_linger;
    if (settings.reporting) {
        start_reporting();
        watch_exit();
    }
    adopt_inherited(env);
}

/*
 * The runtime of a sanitizer that is linked into the program begins in DT_PREINIT_ARRAY, which
 * the loader runs after a library that has to be the first (-z initfirst). Until it has begun,
 * libc's functions lead to nowhere; beginning twice does nothing.
 */
extern void __tsan_init(void) __attribute__((weak));
extern void __asan_init(void) __attribute__((weak));

static void begin_sanitizer(void)
{
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
    return; /* the library is built with one, which begins by itself */
#endif
    if (__tsan_init)
        __tsan_init();
    else if (__asan_init)
        __asan_init();
}

__attribute__((constructor)) static void init(int argc, char **argv, char **env)
{
    (void)argc;
    (void)argv;
#ifndef __GLIBC__
    env = environ; /* only glibc passes arguments to constructors */
#endif
    int saved = errno; /* 0 when the program begins, which some rely on (errno(3)) */
    begin_sanitizer();
    next_resolve();
    if (!getauxval(AT_SECURE))
        start(env);
    errno = saved;
}

/*
 * The compiler's start files refer to these where there are such: the loader would look through
 * every object for them. Nothing is lost: a program built with -pg calls its __gmon_start__
 * itself, and we have no table of clones.
 */
void __gmon_start__(void) __attribute__((visibility("hidden")));
void __gmon_start__(void)
{
}
void _ITM_registerTMCloneTable(void *table, size_t size) __attribute__((visibility("hidden")));
void _ITM_registerTMCloneTable(void *table, size_t size)
{
    (void)table, (void)size;
}
void _ITM_deregisterTMCloneTable(void *table) __attribute__((visibility("hidden")));
void _ITM_deregisterTMCloneTable(void *table)
{
    (void)table;
}
