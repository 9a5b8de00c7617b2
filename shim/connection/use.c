#include "connection/use.h"

#include "connection/birth.h"
#include "connection/table.h"
#include "kernel/facts.h"
#include "kernel/process.h"
#include "policy/settings.h"
#include "report/count.h"

#include <errno.h>

void use_failed(struct conn *c)
{
    if (settings.counting && conn_is(c, CONN_BORN) &&
        count_io_error(c->policy, c->slot, errno, !conn_is(c, CONN_BROKEN)))
        conn_mark(c, CONN_BROKEN);
}

/** SO_ERROR has told an error: of connect(), unless there is a connection already. */
static void failed(int fd, struct conn *c, int error)
{
    int saved = errno;
    if (conn_may_be_behind(c, fd) && !facts_ask(fd).established) {
        conn_mark(c, CONN_FAILED);
        count_connect(c->policy, c->slot, 0, error);
    }
    errno = saved;
}

/*
 * A program asks for SO_ERROR once the socket is writable: without an error it is established.
 * Where the kernel is asked at the close, it is counted there.
 */
void use_told(int fd, int error)
{
    struct conn *c = settings.counting && process_may_act() ? table_find(fd) : NULL;
    if (!c || !conn_is(c, CONN_BORN) || !conn_is(c, CONN_CLIENT) || conn_is(c, CONN_FAILED))
        return;
    if (error == 0 && !settings.asking)
        birth_count(c);
    else if (error != 0)
        failed(fd, c, error);
}
