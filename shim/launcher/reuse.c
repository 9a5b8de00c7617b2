#include "launcher/reuse.h"

#include "launcher/counters.h"

#include <stdio.h>

#define DELAY    "/proc/sys/net/ipv4/tcp_tw_reuse_delay"
#define ALWAYS   1000 /* ms, where it is no sysctl */
#define MS_PER_S 1000

bool reuse_has_delay(void)
{
    long ms;
    return counters_file(DELAY, &ms, 1);
}

long reuse_delay_ms(void)
{
    long ms;
    return counters_file(DELAY, &ms, 1) ? ms : ALWAYS;
}

const char *reuse_delay_text(void)
{
    static char text[32];
    long ms = reuse_delay_ms();
    bool whole = ms % MS_PER_S == 0;
    snprintf(text, sizeof(text), "%ld %s", whole ? ms / MS_PER_S : ms, whole ? "s" : "ms");
    return text;
}
