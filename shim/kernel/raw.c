#include "kernel/raw.h"

#include "kernel/libc.h"

raw_function *raw_libc(void)
{
    if (!next.syscall)
        next_resolve_one(&next.syscall, "syscall");
    return (raw_function *)next.syscall;
}
