#include "kernel/raw.h"

#include "kernel/libc.h"

#include <errno.h>

#ifdef __i386__
#define IN_REGISTER __attribute__((regparm(1)))
#else
#define IN_REGISTER
#endif

/** The kernel has refused the call. */
__attribute__((used)) IN_REGISTER long raw_failed(long result);
IN_REGISTER long raw_failed(long result)
{
    errno = (int)-result;
    return -1;
}

/* As libc's syscall() (syscall(2), "Architecture calling conventions"); at 1: an errno. */
#if defined(__x86_64__) && defined(__LP64__)
#define BY_INSTRUCTION                                                                         \
    "endbr64\n mov %rdi, %rax\n mov %rsi, %rdi\n mov %rdx, %rsi\n mov %rcx, %rdx\n"            \
    "mov %r8, %r10\n mov %r9, %r8\n mov 8(%rsp), %r9\n syscall\n"                              \
    "cmp $-4095, %rax\n jae 1f\n ret\n 1: mov %rax, %rdi\n jmp raw_failed\n"
#elif defined(__i386__)
#define BY_INSTRUCTION                                                                         \
    "push %ebp\n push %edi\n push %esi\n push %ebx\n .cfi_adjust_cfa_offset 16\n"              \
    ".cfi_rel_offset %ebp, 12\n .cfi_rel_offset %edi, 8\n .cfi_rel_offset %esi, 4\n"           \
    ".cfi_rel_offset %ebx, 0\n mov 20(%esp), %eax\n mov 24(%esp), %ebx\n"                      \
    "mov 28(%esp), %ecx\n mov 32(%esp), %edx\n mov 36(%esp), %esi\n mov 40(%esp), %edi\n"      \
    "mov 44(%esp), %ebp\n int $0x80\n pop %ebx\n pop %esi\n pop %edi\n pop %ebp\n"             \
    ".cfi_adjust_cfa_offset -16\n .cfi_restore %ebx\n .cfi_restore %esi\n"                     \
    ".cfi_restore %edi\n .cfi_restore %ebp\n"                                                  \
    "cmp $-4095, %eax\n jae 1f\n ret\n 1: jmp raw_failed\n"
#elif defined(__aarch64__)
#define BY_INSTRUCTION                                                                         \
    "hint #34\n mov x8, x0\n mov x0, x1\n mov x1, x2\n mov x2, x3\n mov x3, x4\n"              \
    "mov x4, x5\n mov x5, x6\n svc #0\n cmn x0, #4095\n b.cs 1f\n ret\n 1: b raw_failed\n"
#endif

#ifdef BY_INSTRUCTION
raw_function raw_kernel __attribute__((visibility("hidden")));
__asm__(".text\n .hidden raw_kernel\n .type raw_kernel, %function\nraw_kernel:\n"
        ".cfi_startproc\n" BY_INSTRUCTION ".cfi_endproc\n .size raw_kernel, . - raw_kernel");

raw_function *raw_own(void)
{
    return raw_kernel;
}
#else
/* No assembly for this machine yet: another library's syscall(), if there is one, sees ours. */
raw_function *raw_own(void)
{
    if (!next.syscall)
        next_resolve_one(&next.syscall, "syscall");
    return (raw_function *)next.syscall;
}
#endif
