/*
 * init: what happens when the library is loaded, and when the process exits.
 */
#include "connection/birth.h"
#include "connection/ending.h"
#include "connection/owed.h"
#include "connection/reap.h"
#include "connection/table.h"
#include "kernel/libc.h"
#include "kernel/process.h"
#include "policy/settings.h"
#include "report/sink.h"
#include "report/stats.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

struct shim shim;

extern int __cxa_atexit(void (*function)(void *), void *argument, void *object);

static void at_exit(void *unused)
{
    (void)unused;
    ending_at_exit();
}

/** The value of a variable of `env` as a number; 0 where it is none. */
static long number_of(char **env, const char *name)
{
    size_t len = strlen(name);
    for (; *env; env++)
        if (strncmp(*env, name, len) == 0 && (*env)[len] == '=')
            return strtol(*env + len + 1, NULL, 10);
    return 0;
}

/** Connections that came with the process: inetd's fds 0 to 2, systemd's 3...
 * (sd_listen_fds(3)) */
static void adopt_inherited(char **env)
{
    int last = STDERR_FILENO;
    long passed = number_of(env, "LISTEN_FDS");
    if (passed > 0 && passed < 1024 && number_of(env, "LISTEN_PID") == getpid())
        last += (int)passed;
    for (int fd = 0; fd <= last; fd++)
        birth_inherited(fd);
}

/** Whether the last operation is told, or decides: otherwise it need not be noted. */
static bool last_op_matters(void)
{
    const struct policies *policies = &shim.config.policies;
    for (unsigned i = 0; i < policies->count; i++)
        if (policies->all[i].kind == POLICY_LAST_READ)
            return true;
    return shim.config.log || shim.config.owe_fin;
}

static void start_reporting(void)
{
    if (shim.config.log && !sink_open(&sink_log, shim.config.log))
        shim.config.log = NULL;
    if (shim.config.stats && !sink_open(&sink_stats, shim.config.stats))
        shim.config.stats = NULL;
    pthread_atfork(NULL, NULL, stats_reset);
}

/** Registered before anybody else's: called after all of them, destructors included. */
static void watch_exit(void)
{
    __cxa_atexit(at_exit, NULL, NULL);
    (void)at_quick_exit(ending_at_exit);
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

static void start(char **env)
{
    char error[CONFIG_ERROR_SIZE];
    sink_init();
    tell_of_libc();
    if (!config_parse(env, &shim.config, error)) {
        sink_message(error);
        return;
    }
    process_find_program();
    rules_for_program(&shim.config.rules, process_program());
    shim.reporting = shim.config.log || shim.config.stats;
    shim.addresses = shim.config.log || rules_need_address(&shim.config.rules);
    shim.active = shim.reporting || config_acts(&shim.config);
    if (!shim.active)
        return;
    table_noted_fds = last_op_matters() ? TABLE_FDS : 0;
    owner_init();
    birth_init();
    owed_init();
    reap_init();
    if (shim.reporting)
        start_reporting();
    if (shim.reporting || reap_allowed())
        watch_exit();
    adopt_inherited(env);
}

__attribute__((constructor)) static void init(int argc, char **argv, char **env)
{
    (void)argc;
    (void)argv;
#ifndef __GLIBC__
    env = environ; /* only glibc passes arguments to constructors */
#endif
    next_resolve();
    if (!getauxval(AT_SECURE))
        start(env);
}
