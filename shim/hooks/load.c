/*
 * load: dlopen(), whose RTLD_DEEPBIND hides us from what is loaded (NOTIMEWAIT_DEEPBIND).
 *
 * dlopen() looks where it is called from: at the caller's DT_RUNPATH, $ORIGIN and namespace
 * (dlopen(3)). So it is jumped to, with its second argument changed, and returns to the caller.
 */
#include "hooks/jump.h"
#include "policy/settings.h"

#include <dlfcn.h>

#ifndef RTLD_DEEPBIND /* musl: every preloaded name comes first */
#define RTLD_DEEPBIND 0
#endif

__attribute__((used)) int load_flags(int flags);
int load_flags(int flags)
{
    return settings.config.drop_deepbind ? flags & ~RTLD_DEEPBIND : flags;
}

#if defined(__x86_64__)
#define CHANGE_FLAGS                                                                           \
    "endbr64\n push %rdi\n .cfi_adjust_cfa_offset 8\n mov %esi, %edi\n call load_flags\n"      \
    "mov %eax, %esi\n pop %rdi\n .cfi_adjust_cfa_offset -8\n"
#elif defined(__i386__)
#define CHANGE_FLAGS                                                                           \
    "sub $8, %esp\n pushl 16(%esp)\n .cfi_adjust_cfa_offset 12\n call load_flags\n"            \
    "add $12, %esp\n .cfi_adjust_cfa_offset -12\n mov %eax, 8(%esp)\n"
#elif defined(__aarch64__)
#define CHANGE_FLAGS                                                                           \
    "hint #34\n stp x29, x30, [sp, #-32]!\n str x0, [sp, #16]\n .cfi_adjust_cfa_offset 32\n"   \
    ".cfi_rel_offset x29, 0\n .cfi_rel_offset x30, 8\n mov w0, w1\n bl load_flags\n"           \
    "mov w1, w0\n ldr x0, [sp, #16]\n ldp x29, x30, [sp], #32\n"                               \
    ".cfi_adjust_cfa_offset -32\n .cfi_restore x29\n .cfi_restore x30\n"
#endif

#ifdef JUMP_CODE
/* clang-format off */
__attribute__((used)) void *jump_dlopen(void);
void *jump_dlopen(void)
{
    if (!next.dlopen)
        next_resolve_one(&next.dlopen, "dlopen");
    return next.dlopen;
}
__asm__(".text\n .globl dlopen\n .type dlopen, %function\ndlopen:\n .cfi_startproc\n"
        CHANGE_FLAGS JUMP_CODE("dlopen") ".cfi_endproc\n .size dlopen, . - dlopen");
/* clang-format on */
#else
/* No assembly for this machine yet: the compiler makes a jump of the last call (-O2). */
void *hook_dlopen(const char *file, int flags) __asm__("dlopen")
    __attribute__((visibility("default")));

void *hook_dlopen(const char *file, int flags)
{
    if (!next.dlopen)
        next_resolve_one(&next.dlopen, "dlopen");
    return ((void *(*)(const char *, int))next.dlopen)(file, load_flags(flags));
}
#endif
