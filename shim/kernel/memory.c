#include "kernel/memory.h"

#include "kernel/process.h"
#include "kernel/raw.h"

#include <errno.h>
#include <link.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#ifndef FUTEX_WAIT_PRIVATE /* linux/futex.h, which not every libc comes with */
#define FUTEX_WAIT_PRIVATE 128
#endif

#define PAGE 4096u /* the smallest of any machine */

/* No other mapping is so near below the end of the first thread's stack: the kernel leaves a
 * gap of 128 MiB at least (mmap_base(), MIN_GAP). */
#define STACK (1u << 20)

static uintptr_t data_begin, data_end; /* the program's writable segment; readable, too */
static uintptr_t heap_begin;           /* where brk(2) ended at start-up */
static uintptr_t stack_end;            /* of the first thread */

static void find_data(const ElfW(Phdr) * headers, size_t count)
{
    uintptr_t base = 0; /* of a program that is linked to a fixed address */
    bool found = false; /* PT_PHDR stands before the segments */
    for (size_t i = 0; i < count; i++)
        if (headers[i].p_type == PT_PHDR) {
            base = (uintptr_t)headers - headers[i].p_vaddr;
            found = true;
        } else if (found && headers[i].p_type == PT_LOAD && (headers[i].p_flags & PF_W)) {
            data_begin = base + headers[i].p_vaddr;
            data_end = data_begin + headers[i].p_memsz;
        }
}

void memory_init(void)
{
    heap_begin = (uintptr_t)sbrk(0);
    stack_end = getauxval(AT_RANDOM); /* behind all frames */
    find_data((const void *)getauxval(AT_PHDR), getauxval(AT_PHNUM));
}

static bool is_within(uintptr_t at, size_t size, uintptr_t begin, uintptr_t end)
{
    return at >= begin && at < end && size <= end - at;
}

/** Nobody unmaps these but to give the heap back, of which then no address is passed on. */
static bool is_in_data_or_heap(const void *from, size_t size)
{
    uintptr_t at = (uintptr_t)from;
    return is_within(at, size, data_begin, data_end) ||
           (at >= heap_begin && is_within(at, size, heap_begin, (uintptr_t)sbrk(0)));
}

/**
 * It lies above our own frame: in the same page, which is there, since the frame is, or on the
 * first thread's stack, which is there from the frame to its end.
 */
static bool is_on_stack(const void *from, size_t size)
{
    uintptr_t frame = (uintptr_t)__builtin_frame_address(0);
    bool first = frame < stack_end && stack_end - frame <= STACK;
    return is_within((uintptr_t)from, size, frame,
                     first ? stack_end : (frame | (PAGE - 1)) + 1);
}

/**
 * The kernel can read the word there: futex(2) does, and finds another value, or waits for no
 * time at all. (A twentieth of what process_vm_readv(2) costs.)
 */
static bool can_be_read(uintptr_t at)
{
    struct raw_time none = raw_time(0);
    at &= ~(uintptr_t)(sizeof(uint32_t) - 1);
    return raw_call(SYS_futex, at, (long)FUTEX_WAIT_PRIVATE, INT32_MIN + 1L, &none) < 0 &&
           (errno == EAGAIN || errno == ETIMEDOUT);
}

/** The program may have protected a page of what is there (mprotect(2)). */
static bool ends_can_be_read(const void *from, size_t size)
{
    uintptr_t first = (uintptr_t)from, last = first + size - 1;
    return size > 0 && size <= PAGE && can_be_read(first) &&
           (first / PAGE == last / PAGE || can_be_read(last));
}

enum memory memory_read(void *to, const void *from, size_t size)
{
    if (is_on_stack(from, size) ||
        (is_in_data_or_heap(from, size) && ends_can_be_read(from, size))) {
        memcpy(to, from, size);
        return MEMORY_READ;
    }
    struct iovec here = {.iov_base = to, .iov_len = size};
    struct iovec there = {.iov_base = (void *)(uintptr_t)from, .iov_len = size};
    long r = raw_call(SYS_process_vm_readv, (long)process_pid(), &here, 1L, &there, 1L, 0L);
    if (r == (long)size)
        return MEMORY_READ;
    return r >= 0 || errno == EFAULT ? MEMORY_BAD : MEMORY_REFUSED;
}
