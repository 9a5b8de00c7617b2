/*
 * possible: whether a command could be supervised here. It is tried on a child of our own.
 */
#ifndef POSSIBLE_H
#define POSSIBLE_H

#include <stdbool.h>

/** 0, or an errno: EBUSY a process above has a listener, EPERM, EACCES a container's filter
 * forbids it, ENOSYS, EINVAL the kernel is too old. */
int possible_supervision(void);

/** Programs below a supervisor of ours may gain rights by being run: we have CAP_SYS_ADMIN. */
bool possible_to_gain_rights(void);

#endif
