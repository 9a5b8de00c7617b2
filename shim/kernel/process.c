#include "kernel/process.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/types.h>
#include <unistd.h>

static _Atomic pid_t owner;
static _Atomic uint32_t epoch = 1;
static _Atomic uint32_t first_epoch = 1;

int owner_pid(void)
{
    return atomic_load(&owner);
}

static char program[100];

void process_find_program(void)
{
    const char *path = (const char *)getauxval(AT_EXECFN);
    if (!path)
        return;
    const char *slash = strrchr(path, '/');
    strncpy(program, slash ? slash + 1 : path, sizeof(program) - 1);
}

const char *process_program(void)
{
    return program;
}

uint32_t owner_epoch(void)
{
    return atomic_load(&epoch);
}

uint32_t owner_first_epoch(void)
{
    return atomic_load(&first_epoch);
}

void owner_shared_all(void)
{
    atomic_fetch_add(&epoch, 1);
}

/* glibc's, where it has it (2.32): of pthread_create(). */
extern char __libc_single_threaded __attribute__((weak));

static _Atomic bool threads;

void owner_has_thread(void)
{
    atomic_store(&threads, true);
}

bool owner_is_one_thread(void)
{
    return &__libc_single_threaded && __libc_single_threaded && !atomic_load(&threads);
}

void owner_is_child(void)
{
    atomic_store(&owner, getpid());
    atomic_store(&first_epoch, atomic_fetch_add(&epoch, 1) + 1);
}

bool owner_is_me(void)
{
    return getpid() == atomic_load(&owner);
}

void owner_init(void)
{
    atomic_store(&owner, getpid());
    /* Before the fork for the sockets that exist, after it for those that other threads made
     * meanwhile. */
    pthread_atfork(owner_shared_all, owner_shared_all, owner_is_child);
}
