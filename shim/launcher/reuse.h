/*
 * reuse: how the kernel itself uses ports in TIME_WAIT again (fact 11 of the design).
 */
#ifndef REUSE_H
#define REUSE_H

#include <stdbool.h>

/** tcp_tw_reuse_delay, in ms; before Linux 6.14 there is none, and it is 1,000. */
long reuse_delay_ms(void);
bool reuse_has_delay(void);

/** "1 s", "1500 ms"; static. */
const char *reuse_delay_text(void);

#endif
