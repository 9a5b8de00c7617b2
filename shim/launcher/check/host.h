/*
 * host: what this kernel and these privileges allow, and what is configured here.
 */
#ifndef CHECK_HOST_H
#define CHECK_HOST_H

#include "launcher/check/say.h"

/** The kernel and the privileges. */
void host_say_kernel(struct say *to);

/** Sysctls of this network namespace, then the configuration. */
void host_say_settings(struct say *to);

/** The configuration is one that the library accepts. */
bool host_is_configured(void);

#endif
