/*
 * release: which kernel this is.
 */
#ifndef RELEASE_H
#define RELEASE_H

#include <stdbool.h>

/** By uname(2); false where its release is no number. */
bool release_is_before(unsigned major, unsigned minor);

#endif
