/*
 * refused-dump: a dump of the kernel's sockets that cannot begin is an error, not a dump of
 * none: the kernel says why in NLMSG_DONE (netlink_dump_done()). Asks for those of a protocol
 * that is for experiments (RFC 3692), of which no kernel has a handler.
 */
#include <netinet/in.h>
#undef IPPROTO_TCP
#define IPPROTO_TCP 253
#include "kernel/diag.c" // NOLINT(bugprone-suspicious-include)

#include <stdio.h>

static void count(const struct diag_socket *socket, void *context)
{
    (void)socket;
    ++*(int *)context;
}

int main(void)
{
    int sockets = 0;
    int diag = diag_open();
    bool done = diag >= 0 && diag_each(diag, ~0u, count, &sockets);
    printf("%s, %d sockets, %s\n", done ? "done" : "refused", sockets,
           done ? "0" : strerrorname_np(errno));
    return 0;
}
