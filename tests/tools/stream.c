/*
 * stream: `stream PORT` closes the stream over a connection by fclose() while another thread
 * has it (flockfile(3)), which gives it back once fclose() waits for it. A third thread makes a
 * copy of the connection's fd meanwhile, and prints how many ms that took.
 */
#include "asleep.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define LONG_ENOUGH 20 /* looks at the closer, a ms apart */

static FILE *stream;
static pid_t closer;
static _Atomic bool locked, closing;

static void pause_ms(long ms)
{
    nanosleep(&(struct timespec){.tv_nsec = ms * 1000000}, NULL);
}

static void *hold(void *unused)
{
    flockfile(stream);
    atomic_store(&locked, true);
    while (!atomic_load(&closing))
        pause_ms(1);
    for (int in_a_row = 0; in_a_row < LONG_ENOUGH;) {
        pause_ms(1);
        in_a_row = state_of_thread(closer) == 'S' ? in_a_row + 1 : 0;
    }
    funlockfile(stream);
    return unused;
}

int main(int argc, char **argv)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    pthread_t thread;
    if (argc != 2)
        return 2;
    to.sin_port = htons((uint16_t)strtol(argv[1], NULL, 10));
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(fd, (const struct sockaddr *)&to, sizeof(to)) != 0)
        return 1;
    stream = fdopen(fd, "r");
    closer = (pid_t)syscall(SYS_gettid);
    pthread_create(&thread, NULL, hold, NULL);
    while (!atomic_load(&locked))
        pause_ms(1);
    atomic_store(&closing, true);
    printf("fclose %d\n", fclose(stream));
    pthread_join(thread, NULL);
    return 0;
}
