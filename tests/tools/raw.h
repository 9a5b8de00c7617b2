/*
 * raw: system calls that no preloaded library sees: libc's own syscall(), by its handle.
 */
#ifndef RAW_H
#define RAW_H

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>

static long (*raw_syscall)(long number, ...);

static __attribute__((constructor)) void find_raw_syscall(void)
{
    void *libc = dlopen("libc.so.6", RTLD_LAZY);

    raw_syscall = libc ? (long (*)(long, ...))dlsym(libc, "syscall") : NULL;
    if (!raw_syscall) {
        (void)fprintf(stderr, "no libc.so.6 with a syscall()\n");
        exit(2);
    }
}

#endif
