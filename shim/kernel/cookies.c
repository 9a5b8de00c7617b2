#include "kernel/cookies.h"

#include "kernel/raw.h"
#include "policy/number.h"

#include <errno.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#define FOUND   1024 /* entries at a time */
#define CLOSING (1u << STATE_FIN_WAIT1 | 1u << STATE_FIN_WAIT2 | 1u << STATE_CLOSING)

static const char prefix[] = "/proc/";
static const char memory[] = "/mem:";

bool cookies_has(const struct cookies *cookies, uint64_t cookie)
{
    return cookie != 0 && atomic_load_explicit(&cookies->all[cookie % COOKIES_MAX],
                                               memory_order_relaxed) == cookie;
}

void cookies_text(struct text *text, const struct cookies *cookies)
{
    text_str(text, prefix);
    text_number(text, (uint64_t)raw_call(SYS_getpid), 1);
    text_str(text, memory);
    text_number(text, (uintptr_t)cookies, 1);
    text_char(text, ':');
    text_number(text, cookies->mark, 1);
}

/** The number at *at, up to `end`, which has to follow it; *at is moved behind that. */
static bool parse_number(const char **at, const char *end, uint64_t most, uint64_t *number)
{
    size_t len = 0;
    while ((*at)[len] >= '0' && (*at)[len] <= '9')
        len++;
    bool parsed = number_parse(*at, len, 1, most, number);
    *at = text_behind(*at + len, end);
    return parsed && *at;
}

bool cookies_remote_parse(const char *value, struct cookies_remote *remote)
{
    uint64_t pid;
    const char *at = text_behind(value, prefix);
    if (!at || !parse_number(&at, memory, INT32_MAX, &pid) ||
        !parse_number(&at, ":", UINT64_MAX, &remote->address) ||
        !parse_number(&at, "", UINT64_MAX, &remote->mark) || *at != '\0')
        return false;
    remote->pid = (pid_t)pid;
    return true;
}

/** 8 bytes at this offset into the set. */
static struct iovec remote_word(const struct cookies_remote *remote, size_t offset)
{
    return (struct iovec){.iov_base = (void *)(uintptr_t)(remote->address + offset),
                          .iov_len = sizeof(uint64_t)};
}

bool cookies_remote_reached(const struct cookies_remote *remote)
{
    uint64_t mark = 0;
    struct iovec local = {.iov_base = &mark, .iov_len = sizeof(mark)};
    struct iovec there = remote_word(remote, offsetof(struct cookies, mark));
    errno = EFAULT; /* a 64-bit address that a 32-bit process cannot name */
    if (remote->address > UINTPTR_MAX - sizeof(struct cookies))
        return false;
    return raw_call(SYS_process_vm_readv, (long)remote->pid, &local, 1L, &there, 1L, 0L) ==
               (ssize_t)sizeof(mark) &&
           mark == remote->mark;
}

bool cookies_remote_add(const struct cookies_remote *remote, uint64_t cookie)
{
    struct iovec local = {.iov_base = &cookie, .iov_len = sizeof(cookie)};
    struct iovec there =
        remote_word(remote, offsetof(struct cookies, all[cookie % COOKIES_MAX]));
    return cookies_remote_reached(remote) &&
           raw_call(SYS_process_vm_writev, (long)remote->pid, &local, 1L, &there, 1L, 0L) ==
               (ssize_t)sizeof(cookie);
}

/** What one dump finds. */
static struct found {
    const struct cookies *cookies;
    struct diag_socket time_wait[FOUND];
    size_t count; /* of these, no more than there is room for */
    size_t closing;
} found;

static void collect(const struct diag_socket *socket, void *unused)
{
    (void)unused;
    if (!cookies_has(found.cookies, diag_cookie(socket)))
        return;
    if (socket->state != STATE_TIME_WAIT)
        found.closing++;
    else if (found.count < FOUND)
        found.time_wait[found.count++] = *socket;
}

/** Asks the set once more: when collect() did, another process may have been in the middle of
 * writing to that place. */
static void remove_entry(int diag, const struct diag_socket *socket, struct removal *removal)
{
    if (!cookies_has(found.cookies, diag_cookie(socket)))
        return;
    int error = diag_destroy(diag, socket);
    if (error == 0)
        removal->removed++;
    else if (error != ENOENT && removal->error == 0)
        removal->error = error;
}

struct removal cookies_remove_entries(const struct cookies *cookies, int diag)
{
    struct removal removal = {0};
    size_t before;
    do {
        before = removal.removed;
        found.cookies = cookies;
        found.count = found.closing = 0;
        if (!diag_each(diag, 1u << STATE_TIME_WAIT | CLOSING, collect, NULL))
            break;
        for (size_t i = 0; i < found.count && removal.error == 0; i++)
            remove_entry(diag, &found.time_wait[i], &removal);
    } while (found.count == FOUND && removal.error == 0 && removal.removed > before);
    removal.closing = found.closing;
    return removal;
}
