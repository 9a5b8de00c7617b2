/*
 * jump: hooks before functions that no C function can stand before.
 *
 * vfork() returns twice, the child on its parent's stack; clone() and a raw system call may
 * return on another one. The code here calls
 * jump_<name>() with the arguments as they are, restores them, and jumps to what that returns,
 * on an untouched stack.
 */
#ifndef JUMP_H
#define JUMP_H

#include "hooks/hooks.h"

#if defined(__x86_64__)
#define JUMP_CODE(name)                                                                        \
    "endbr64\n push %rdi\n push %rsi\n push %rdx\n push %rcx\n push %r8\n push %r9\n"          \
    "sub $8, %rsp\n .cfi_adjust_cfa_offset 56\n call jump_" name "\n mov %rax, %r11\n"         \
    "add $8, %rsp\n pop %r9\n pop %r8\n pop %rcx\n pop %rdx\n pop %rsi\n pop %rdi\n"           \
    ".cfi_adjust_cfa_offset -56\n jmp *%r11\n"
#elif defined(__i386__)
#define JUMP_CODE(name)                                                                        \
    "sub $12, %esp\n pushl 28(%esp)\n pushl 28(%esp)\n pushl 28(%esp)\n pushl 28(%esp)\n"      \
    ".cfi_adjust_cfa_offset 28\n call jump_" name "\n add $28, %esp\n"                         \
    ".cfi_adjust_cfa_offset -28\n jmp *%eax\n"
#elif defined(__aarch64__)
#define JUMP_CODE(name)                                                                        \
    "hint #34\n stp x29, x30, [sp, #-80]!\n stp x0, x1, [sp, #16]\n"                           \
    "stp x2, x3, [sp, #32]\n stp x4, x5, [sp, #48]\n stp x6, x7, [sp, #64]\n"                  \
    ".cfi_adjust_cfa_offset 80\n .cfi_rel_offset x29, 0\n .cfi_rel_offset x30, 8\n"            \
    "bl jump_" name "\n mov x16, x0\n"                                                         \
    "ldp x0, x1, [sp, #16]\n ldp x2, x3, [sp, #32]\n ldp x4, x5, [sp, #48]\n"                  \
    "ldp x6, x7, [sp, #64]\n ldp x29, x30, [sp], #80\n"                                        \
    ".cfi_restore x29\n .cfi_restore x30\n .cfi_adjust_cfa_offset -80\n br x16\n"
#endif

#ifdef JUMP_CODE

/** `name` goes on at what `to` says; at most four parameters can be looked at. */
#define JUMP_TO(name, parameters, to)                                                          \
    __attribute__((used)) void *jump_##name parameters;                                        \
    void *jump_##name parameters                                                               \
    {                                                                                          \
        if (!next.name)                                                                        \
            next_resolve_one(&next.name, #name);                                               \
        return to;                                                                             \
    }                                                                                          \
    __asm__(".text\n .globl " #name "\n .type " #name ", %function\n" #name ":\n"              \
            ".cfi_startproc\n" JUMP_CODE(#name) ".cfi_endproc\n .size " #name ", . - " #name);

/** `before` is done, and `name` goes on at the next function of that name. */
#define JUMP_HOOK(name, parameters, before) JUMP_TO(name, parameters, (before, next.name))

#endif
#endif
