/*
 * owed_io: the calls that use an fd, where a FIN may be owed. They stand between the hooks and
 * the next functions, so that without NOTIMEWAIT_SHUTDOWN=owed nothing of this costs anything.
 */
#include "connection/owed.h"
#include "kernel/libc.h"
#include "policy/settings.h"

#include <pthread.h>
#include <string.h>

/* The functions of `next` as they were. */
static struct next beyond;

#define IO(type, name, parameters, arguments)                                                  \
    static type used_##name parameters                                                         \
    {                                                                                          \
        owed_enter(fd);                                                                        \
        type r = beyond.name arguments;                                                        \
        owed_leave(fd);                                                                        \
        return r;                                                                              \
    }
#include "hooks/entry_points.def"

/** Puts used_<name>() in the place of each next.<name>. */
static void stand_between(void)
{
    beyond = next;
#define IO(type, name, parameters, arguments) next.name = used_##name;
#include "hooks/entry_points.def"
}

void owed_init(void)
{
    owed_mode = shim.config.owe_fin;
    if (!owed_mode)
        return;
    stand_between();
    pthread_atfork(owed_settle_all, NULL, owed_reset);
}
