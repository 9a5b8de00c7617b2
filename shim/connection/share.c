#include "connection/share.h"

#include "connection/table.h"
#include "kernel/process.h"

#include <errno.h>
#include <stddef.h>

void share_copied(int from, int to)
{
    struct conn *source = table_peek(from);
    bool matters = table_is_conn(source) || table_find(to);
    /* In a child of vfork() the fds are the child's, but this memory is its parent's. */
    int saved = errno;
    if (!matters) {
        table_set(to, source);
    } else if (owner_is_me()) {
        if (table_is_conn(source))
            conn_mark(source, CONN_SHARED);
        table_copy(from, to);
    }
    errno = saved;
}

bool share_same_socket(int a, int b)
{
    struct conn *c = table_find(a);
    return c != NULL && c == table_find(b);
}
