/*
 * possible: whether a command could be supervised here. It is tried on a child of our own.
 */
#ifndef POSSIBLE_H
#define POSSIBLE_H

#include <stdbool.h>

/** What this kernel has that makes supervision better. */
struct possible_features {
    bool keeps_signals; /* SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, Linux 5.19 */
    bool wakes_in_turn; /* SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP, Linux 6.6 */
};

/** 0, and *features is set; or an errno: EBUSY a process above has a listener, EPERM, EACCES a
 * container's filter forbids it, ENOSYS, EINVAL the kernel is too old. */
int possible_supervision(struct possible_features *features);

/** Programs below a supervisor of ours may gain rights by being run: we have CAP_SYS_ADMIN. */
bool possible_to_gain_rights(void);

#endif
