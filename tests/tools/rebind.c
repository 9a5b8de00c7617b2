/*
 * rebind: `rebind SERVER_PORT OWN_PORT COUNT reply|eof|none [acked]` connects COUNT times to a
 * server on this host, one after the other, from the same port of its own, as some old
 * protocols want it. Each writes a byte, reads a byte, or to the end, or nothing, and closes;
 * the next one begins at once, or when the kernel has no FIN of that port any more which the
 * peer has not acknowledged, and tries again each ms. Prints how many were late so, and the
 * tries that failed.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct sockaddr_in address_of(const char *port)
{
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)strtol(port, NULL, 10)),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

/* A socket on `own`, connected to `server`; -1: one of the two calls failed. */
static int connected(struct sockaddr_in own, struct sockaddr_in server)
{
    int on = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(fd, (struct sockaddr *)&own, sizeof(own)) == 0 &&
        connect(fd, (struct sockaddr *)&server, sizeof(server)) == 0)
        return fd;
    close(fd);
    return -1;
}

enum { FIN_WAIT1 = 4, LAST_ACK = 9, CLOSING = 11 }; /* of /proc/net/tcp */

/* A line of /proc/net/tcp: "0: 0100007F:9C40 0100007F:1F90 04 ...". */
static int has_unacked_fin(const char *line, unsigned long own)
{
    const char *at = strchr(line, ':');
    char *end;
    at = at ? strchr(at + 1, ':') : NULL;
    if (!at || strtoul(at + 1, &end, 16) != own || !(at = strchr(end, ':')))
        return 0;
    (void)strtoul(at + 1, &end, 16);
    unsigned long state = strtoul(end, NULL, 16);
    return state == FIN_WAIT1 || state == LAST_ACK || state == CLOSING;
}

static void wait_until_acked(unsigned long own)
{
    char line[256];
    for (int any = 1; any; usleep(any ? 1000 : 0)) {
        FILE *file = fopen("/proc/net/tcp", "r");
        any = 0;
        while (file && fgets(line, sizeof(line), file))
            any = any || has_unacked_fin(line, own);
        if (file)
            (void)fclose(file);
    }
}

int main(int argc, char **argv)
{
    long done = 0, late = 0, tries = 0;
    char bytes[256];
    if (argc < 5)
        return 2;
    struct sockaddr_in server = address_of(argv[1]), own = address_of(argv[2]);
    long count = strtol(argv[3], NULL, 10);
    for (long i = 0; i < count; i++) {
        int fd, first = 1;
        while ((fd = connected(own, server)) < 0 && ++tries < 100 * count) {
            late += first;
            first = 0;
            usleep(1000);
        }
        done += write(fd, "x", 1) == 1;
        if (strcmp(argv[4], "none") != 0)
            while (read(fd, bytes, sizeof(bytes)) > 0 && strcmp(argv[4], "eof") == 0)
                ;
        close(fd);
        if (argc > 5)
            wait_until_acked(strtoul(argv[2], NULL, 10));
    }
    printf("connections=%ld late=%ld tries=%ld\n", done, late, tries);
    return 0;
}
