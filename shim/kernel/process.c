#include "kernel/process.h"

#include "kernel/clock.h"
#include "kernel/pages.h"
#include "kernel/raw.h"
#include "kernel/signals.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define YIELDS 100 /* before a waiter sleeps */
#define NAP_NS 100000
#define SPINS  10000
#define TRIES  (YIELDS + 1000) /* 0.1 s, or more on a busy machine */

static _Atomic pid_t owner;
static _Atomic uint32_t epoch = 1;
static _Atomic uint32_t first_epoch = 1;
static _Atomic uint32_t copying;
static _Atomic bool elsewhere;
static _Atomic bool divided;
static char program[100];

/*
 * A page that the kernel clears in the child of a fork (madvise(2), MADV_WIPEONFORK), but not
 * in a child that shares our memory: true where no fork has happened that was not seen. NULL:
 * this kernel does not do that.
 */
static _Atomic bool *here;
static void (*told_of_child)(void);

_Atomic uint32_t process_holders;
_Atomic uint32_t process_seals;
_Atomic bool process_threads;
__attribute__((tls_model("initial-exec"))) _Thread_local bool process_maybe_vforked;
static __attribute__((tls_model("initial-exec"))) _Thread_local bool for_good;
static __attribute__((tls_model("initial-exec"))) _Thread_local uint32_t own_holds;

/*
 * A child that shares our memory has installed a filter, and may not even ask for its pid. The
 * kernel clears it when the child is gone (set_tid_address(2)).
 */
static __attribute__((tls_model("initial-exec"))) _Thread_local _Atomic pid_t sealed_child;

int process_pid(void)
{
    return atomic_load(&owner);
}

const char *process_program(void)
{
    return program;
}

uint64_t process_limit(int resource)
{
    uint64_t limits[2]; /* struct rlimit64, which not every libc names */
    return raw_call(SYS_prlimit64, 0L, resource, NULL, limits) == 0 ? limits[0] : 0;
}

uint32_t process_epoch(void)
{
    return atomic_load(&epoch);
}

uint32_t process_first_epoch(void)
{
    return atomic_load(&first_epoch);
}

/** Lets others run, a thread of lower priority, too. */
static void let_run(int waited)
{
    struct raw_time nap = raw_time(NAP_NS);
    if (waited < YIELDS)
        raw_call(SYS_sched_yield);
    else
        raw_poll(NULL, 0, &nap);
}

/**
 * A second at most, or for as long as a close() takes where no system call may be made: where
 * the process is sealed by more than `seals` filters, of which one may have come in the
 * meantime. Not by the clock alone, which goes on while the process is stopped. Not for itself:
 * the handler of a fault in a close may copy a socket, or fork.
 */
static void wait_while_held(uint32_t seals)
{
    int saved = errno;
    int64_t deadline = atomic_load(&process_seals) > seals ? 0 : clock_now() + NS_PER_S;
    for (int i = 0; atomic_load(&process_holders) > own_holds; i++) {
        bool sealed = atomic_load(&process_seals) > seals;
        if (sealed ? i >= SPINS : i >= TRIES && clock_now() >= deadline)
            break;
        if (!sealed)
            let_run(i);
    }
    errno = saved;
}

void process_wait_while_held(void)
{
    wait_while_held(0);
}

/*
 * The sharer increments the epoch and then reads `process_holders`; the holder increments
 * `process_holders` and then reads the epoch. All four are sequentially consistent, so one of
 * the two sees the other: the holder finds its socket shared, or the sharer waits.
 */
void process_sharing(void)
{
    atomic_fetch_add(&epoch, 1);
    process_wait_for_holders();
}

void process_shared(void)
{
    atomic_fetch_add(&epoch, 1);
}

/*
 * What is born after the epoch was incremented may still be copied: the call takes its time. So
 * nobody holds from before it until the epoch is incremented again, after which all that is
 * there counts as shared.
 */
void process_copying(void)
{
    atomic_fetch_add(&copying, 1);
    process_sharing();
}

void process_copied(void)
{
    process_shared();
    atomic_fetch_sub(&copying, 1);
}

bool process_is_copying(void)
{
    return atomic_load(&copying) > 0 || atomic_load_explicit(&divided, memory_order_relaxed);
}

void process_divides_fds(void)
{
    if (process_is_ours())
        atomic_store(&divided, true);
    process_sharing();
}

void process_parts_from_fds(void)
{
    if (process_is_one_thread())
        process_sharing();
    else
        process_divides_fds();
}

void process_hold(struct process_hold *hold)
{
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &hold->cancel);
    hold->signals = signals_hold();
    own_holds++;
    atomic_fetch_add(&process_holders, 1);
}

void process_let_go(const struct process_hold *hold)
{
    atomic_fetch_sub(&process_holders, 1);
    own_holds--;
    signals_let(hold->signals);
    pthread_setcancelstate(hold->cancel, NULL);
}

/* glibc's, where it has it (2.32): of pthread_create(). */
extern char __libc_single_threaded __attribute__((weak));

void process_has_thread(void)
{
    atomic_store(&process_threads, true);
}

bool process_is_one_thread(void)
{
    return &__libc_single_threaded && __libc_single_threaded && !atomic_load(&process_threads);
}

/*
 * What a signal handler left by siglongjmp() is opening for ever: a fork that waited in vain
 * counts it as lost, so that no other one waits for it.
 */
static _Atomic uint32_t forking, opening, lost;
static __attribute__((tls_model("initial-exec"))) _Thread_local uint32_t own_opening;

static void count_opening(void)
{
    own_opening++;
    atomic_fetch_add(&opening, 1);
}

void process_opened(void)
{
    own_opening--;
    if (atomic_fetch_sub(&opening, 1) == 1)
        atomic_store(&lost, 0);
}

void process_opening(void)
{
    int saved = errno;
    count_opening();
    for (int i = 0; i < 2 * YIELDS && atomic_load(&forking) > 0; i++) {
        process_opened();
        let_run(i);
        count_opening();
    }
    errno = saved;
}

void process_forking(void)
{
    int saved = errno;
    atomic_fetch_add(&forking, 1);
    uint32_t now = atomic_load(&opening), own = own_opening;
    for (int i = 0; now > own + atomic_load(&lost) && !process_is_sealed(); i++) {
        if (i == TRIES)
            atomic_store(&lost, now - own);
        let_run(i);
        now = atomic_load(&opening);
    }
    errno = saved;
    process_copying();
}

void process_forked(void)
{
    process_copied();
    atomic_fetch_sub(&forking, 1);
}

static void become_child(void)
{
    atomic_store(&forking, 0);
    atomic_store(&lost, 0);
    atomic_store(&opening, own_opening);
    process_maybe_vforked = for_good = false;
    if (atomic_exchange(&sealed_child, 0) != 0)
        atomic_fetch_add(&process_seals, 1); /* its parent's filter is its own, too */
    if (!process_is_sealed())
        atomic_store(&owner, (pid_t)raw_call(SYS_getpid));
    atomic_store(&process_holders, own_holds);
    atomic_store(&copying, 0);
    atomic_store(&first_epoch, atomic_fetch_add(&epoch, 1) + 1);
    if (here)
        atomic_store(here, true);
}

void process_is_unseen_child(void)
{
    become_child();
    if (told_of_child)
        told_of_child();
}

/** Whether this is a child that nobody saw being made until now. */
static bool became_child(void)
{
    if (!here || atomic_load(here) || atomic_exchange(here, true))
        return false;
    process_is_unseen_child();
    return true;
}

void process_sharing_memory(void)
{
    for_good = true;
    process_vforking();
}

bool process_is_ours_after_vfork(void)
{
    if (atomic_load(&owner) == 0) { /* the library is not active */
        process_maybe_vforked = false;
        return true;
    }
    if (became_child())
        return true;
    if (atomic_load(&sealed_child) != 0 || process_is_sealed() ||
        raw_call(SYS_getpid) != atomic_load(&owner))
        return false;
    process_maybe_vforked = for_good;
    return true;
}

bool process_has_our_pid(void)
{
    return became_child() || raw_call(SYS_getpid) == atomic_load(&owner);
}

void process_goes_elsewhere(void)
{
    if (process_is_ours())
        atomic_store(&elsewhere, true);
}

bool process_is_elsewhere(void)
{
    return atomic_load_explicit(&elsewhere, memory_order_relaxed);
}

void process_seal(void)
{
    if (process_is_sealed() || process_is_ours()) {
        /* The filter may be for all threads (seccomp(2), TSYNC). It is not there yet. */
        wait_while_held(atomic_fetch_add(&process_seals, 1) == 0 ? 1 : 0);
        return;
    }
    atomic_store(&sealed_child, 1);
    raw_call(SYS_set_tid_address, &sealed_child);
}

void process_unseal(void)
{
    if (atomic_load(&sealed_child) == 0) {
        atomic_fetch_sub(&process_seals, 1);
        return;
    }
    raw_call(SYS_set_tid_address, NULL);
    atomic_store(&sealed_child, 0);
}

#ifndef MADV_WIPEONFORK /* linux/mman.h, 4.14 */
#define MADV_WIPEONFORK 18
#endif

static void map_here(void)
{
    size_t page = (size_t)getauxval(AT_PAGESZ);
    void *memory = pages_map(page);
    if (!memory)
        return;
    if (raw_call(SYS_madvise, memory, page, (long)MADV_WIPEONFORK) != 0) {
        munmap(memory, page);
        return;
    }
    here = memory;
    atomic_store(here, true);
}

static void name_program(const char *path)
{
    size_t len = 0;
    for (; path && *path; path++) {
        len = *path == '/' ? 0 : len;
        if (*path != '/' && len < sizeof(program) - 1)
            program[len++] = *path;
        program[len] = '\0';
    }
}

/** fexecve(3) names the fd in place of the file. */
static bool is_fd(const char *path)
{
    const char *directory = "/dev/fd/";
    while (path && *directory && *path == *directory) {
        path++;
        directory++;
    }
    return path && !*directory && *path >= '0' && *path <= '9';
}

void process_init(void (*in_child)(void))
{
    const char *path = (const char *)getauxval(AT_EXECFN);
    name_program(path);
    if (is_fd(path)) {
        char file[PATH_MAX];
        long len = raw_call(SYS_readlinkat, AT_FDCWD, "/proc/self/exe", file, sizeof(file) - 1);
        file[len > 0 ? len : 0] = '\0';
        name_program(file);
    }
    told_of_child = in_child;
    map_here();
    atomic_store(&owner, (pid_t)raw_call(SYS_getpid));
    pthread_atfork(process_forking, process_forked, become_child);
}
