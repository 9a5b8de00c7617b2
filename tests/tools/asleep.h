/*
 * asleep: whether another thread of this process waits in the kernel; there is no other sign of
 * it. Without stdio, whose list of all streams fclose() holds meanwhile.
 */
#ifndef ASLEEP_H
#define ASLEEP_H

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

/* Its state in proc(5), "PID (NAME) S ...", or 0: it has ended. */
static inline char state_of_thread(pid_t thread)
{
    char path[64], line[256] = "";
    (void)snprintf(path, sizeof(path), "/proc/self/task/%d/stat", (int)thread);
    int file = open(path, O_RDONLY);
    ssize_t len = read(file, line, sizeof(line) - 1);
    const char *behind = len > 0 ? strrchr(line, ')') : NULL;
    close(file);
    return behind ? behind[2] : '\0';
}

#endif
