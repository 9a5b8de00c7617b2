#include "connection/share.h"

#include <errno.h>
#include <stddef.h>

void share_copying(int fd)
{
    struct conn *c = table_peek(fd);
    if (c == TABLE_NO_TCP || !process_is_ours())
        return;
    if (c)
        conn_mark(c, CONN_SHARED);
    /* A close that has begun has taken fd's connection out of the table: waits for any. */
    process_wait_for_holders();
}

void share_copied(int from, int to)
{
    struct conn *source = table_peek(from);
    bool known = !table_is_conn(source) && table_peek(to) == source;
    if (known || !process_is_ours())
        return;
    int saved = errno;
    if (!table_is_conn(source) && !table_find(to)) {
        table_set(to, source);
    } else {
        if (table_is_conn(source))
            conn_mark(source, CONN_SHARED);
        table_copy(from, to);
    }
    errno = saved;
}

void share_forget(int fd)
{
    if (process_is_ours())
        table_set(fd, NULL);
}

bool share_same_socket(int a, int b)
{
    struct conn *c = table_find(a);
    return c != NULL && c == table_find(b);
}
