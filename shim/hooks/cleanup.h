/*
 * cleanup: what is to be done where a thread leaves a call of libc's by its cancellation, or by
 * siglongjmp() out of a signal handler.
 *
 * In C, pthread_cleanup_push() leaves a pointer to a frame that siglongjmp() abandons, and that
 * the end of the thread would follow. glibc's functions of before are undone by siglongjmp(),
 * too (__pthread_cleanup_upto()). musl has none that are: nothing is done there, where close()
 * is not cancelled once the kernel has it, and a cancelled sendmsg() keeps its place
 * (rights.c).
 */
#ifndef CLEANUP_H
#define CLEANUP_H

#include <pthread.h>

#ifdef __GLIBC__
void _pthread_cleanup_push(struct _pthread_cleanup_buffer *buffer, void (*act)(void *),
                           void *argument);
void _pthread_cleanup_pop(struct _pthread_cleanup_buffer *buffer, int act);

/** From here to the matching CLEANUP_END(), in the same block. */
#define CLEANUP_BEGIN(act, argument)                                                           \
    struct _pthread_cleanup_buffer cleanup_buffer;                                             \
    _pthread_cleanup_push(&cleanup_buffer, act, argument)
#define CLEANUP_END() _pthread_cleanup_pop(&cleanup_buffer, 0)
#else
#define CLEANUP_BEGIN(act, argument) ((void)(act), (void)(argument))
#define CLEANUP_END()                ((void)0)
#endif

#endif
