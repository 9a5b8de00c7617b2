#include "policy/errors.h"

#include <errno.h>
#include <stddef.h>

/* connect(2) and what else the kernel may return for TCP; others by their number. */
static const char *const names[] = {
    [EPERM] = "EPERM",
    [EBADF] = "EBADF",
    [EAGAIN] = "EAGAIN",
    [ENOMEM] = "ENOMEM",
    [EACCES] = "EACCES",
    [EFAULT] = "EFAULT",
    [EINVAL] = "EINVAL",
    [EAFNOSUPPORT] = "EAFNOSUPPORT",
    [EADDRINUSE] = "EADDRINUSE",
    [EPIPE] = "EPIPE",
    [EADDRNOTAVAIL] = "EADDRNOTAVAIL",
    [ENETDOWN] = "ENETDOWN",
    [ENETUNREACH] = "ENETUNREACH",
    [ECONNABORTED] = "ECONNABORTED",
    [ECONNRESET] = "ECONNRESET",
    [ENOBUFS] = "ENOBUFS",
    [EISCONN] = "EISCONN",
    [ETIMEDOUT] = "ETIMEDOUT",
    [ECONNREFUSED] = "ECONNREFUSED",
    [EHOSTDOWN] = "EHOSTDOWN",
    [EHOSTUNREACH] = "EHOSTUNREACH",
    [EALREADY] = "EALREADY",
};

const char *errors_name(int error)
{
    size_t count = sizeof(names) / sizeof(names[0]);
    return error > 0 && (size_t)error < count ? names[error] : NULL;
}
