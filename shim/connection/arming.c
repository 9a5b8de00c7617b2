#include "connection/arming.h"

#include "kernel/facts.h"
#include "kernel/levers.h"
#include "kernel/process.h"
#include "policy/settings.h"

#include <errno.h>

bool arming_app_lingers(struct conn *c)
{
    return conn_is(c, CONN_APP_LINGERS) && !settings.config.override_app_linger;
}

bool arming_may_linger(int fd, struct conn *c)
{
    bool by_policy = conn_is(c, CONN_BORN) && c->policy->kind == POLICY_LINGER;
    return by_policy ||
           (conn_is(c, CONN_APP_LINGER) && arming_app_lingers(c) && facts_linger(fd) > 0);
}

void arming_mark_as_seen(int fd, const struct conn *c)
{
    if (!settings.config.supervised || !process_may_act())
        return;
    int saved = errno;
    if (c || facts_is_tcp(fd))
        lever_mark_as_seen(fd);
    errno = saved;
}

static bool wanted(struct conn *c)
{
    return policy_kinds[c->policy->kind].armed && !arming_app_lingers(c);
}

static void arm(int fd, struct conn *c)
{
    if (lever_fin_rst(fd))
        conn_mark(c, CONN_ARMED);
}

void arming_undo(int fd, struct conn *c)
{
    if (conn_is(c, CONN_ARMED) && lever_fin_rst_off(fd))
        conn_unmark(c, CONN_ARMED);
}

void arming_at_birth(int fd, struct conn *c)
{
    if (wanted(c))
        arm(fd, c);
}

void arming_inherited(int fd, struct conn *c, struct conn *listener)
{
    bool may_be_set = !listener || conn_is(listener, CONN_ARMED);
    if (wanted(c) || conn_is(c, CONN_APP_LINGERS) || !may_be_set)
        return;
    if (facts_linger2(fd) < 0)
        lever_fin_rst_off(fd);
}

void arming_app_changed(int fd, struct conn *c, bool linger2)
{
    if (linger2 && c->cookie == 0) {
        conn_unmark(c, CONN_ARMED); /* the value tells no more whose socket it is: leave it */
        return;
    }
    if (!conn_is(c, CONN_BORN) || !conn_is_behind(c, fd))
        return; /* another socket is on the fd, or may be */
    if (c->cookie == 0)
        c->cookie = facts_cookie(fd); /* TCP_LINGER2 will tell no more */
    if (linger2)
        conn_unmark(c, CONN_ARMED); /* the value is the application's now */
    if (!wanted(c))
        arming_undo(fd, c);
    else if (!conn_is(c, CONN_ARMED))
        arm(fd, c);
}

void arming_override_app(int fd, struct conn *c)
{
    if (conn_is(c, CONN_APP_LINGER))
        lever_linger_off(fd);
    if (conn_is(c, CONN_APP_LINGER2) && !conn_is(c, CONN_ARMED) && facts_linger2(fd) < 0)
        lever_fin_rst_off(fd);
}
