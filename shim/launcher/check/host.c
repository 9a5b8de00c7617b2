#include "launcher/check/host.h"

#include "kernel/file.h"
#include "launcher/counters.h"
#include "launcher/probe.h"
#include "launcher/release.h"
#include "launcher/reuse.h"
#include "policy/config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#define TIME_WAIT_S 60 /* TCP_TIMEWAIT_LEN */

static void say_privileges(struct say *to)
{
    static const struct {
        const char *net_admin, *capability, *destroy;
    } texts[] = {
        [PROBE_POSSIBLE] = {"true", "CAP_NET_ADMIN over this network namespace",
                            "possible: TIME_WAIT entries can be removed"},
        [PROBE_NOT_PERMITTED] = {"false", "no CAP_NET_ADMIN over this network namespace",
                                 "not permitted: TIME_WAIT entries cannot be removed"},
        [PROBE_NO_TIME_WAIT] = {"true", "CAP_NET_ADMIN over this network namespace",
                                "not for TIME_WAIT entries: the kernel is too old"},
        [PROBE_NO_KERNEL] = {"null", "CAP_NET_ADMIN could not be tried",
                             "the kernel lacks CONFIG_INET_DIAG_DESTROY"},
        [PROBE_UNKNOWN] = {"null", "CAP_NET_ADMIN could not be tried",
                           "could not be tried: no loopback address, or no sock_diag(7)"},
    };
    enum probe probe = probe_destroy();
    char json[64];
    snprintf(json, sizeof(json), "{\"uid\":%u,\"net_admin\":%s}", (unsigned)geteuid(),
             texts[probe].net_admin);
    say_as(to, "privileges", "privileges", json, "uid %u, %s", (unsigned)geteuid(),
           texts[probe].capability);
    say(to, "SOCK_DESTROY", "sock_destroy", "%s", texts[probe].destroy);
}

void host_say_kernel(struct say *to)
{
    struct utsname name;
    if (uname(&name) == 0)
        say(to, "kernel", "kernel", "%s %s, %s", name.sysname, name.release, name.machine);
    say(to, "recycled ports", "recycled_ports",
        release_is_before(6, 18)
            ? "left out by connect() towards other peers until their TIME_WAIT is over (6.18)"
            : "used by connect() towards other peers");
    say_privileges(to);
}

static void say_reuse(struct say *to, long reuse)
{
    const char *json = say_number(reuse);
    if (reuse == 0)
        say_as(to, "tcp_tw_reuse", "tcp_tw_reuse", json,
               "0: ports in TIME_WAIT are not used again");
    else
        say_as(to, "tcp_tw_reuse", "tcp_tw_reuse", json,
               "%ld: ports in TIME_WAIT are used again after %s%s", reuse, reuse_delay_text(),
               reuse == 2 ? ", on loopback only" : " (needs TCP timestamps)");
    say_member(to, "tcp_tw_reuse_delay",
               reuse_has_delay() ? say_number(reuse_delay_ms()) : "null");
}

static void say_ports(struct say *to, long low, long high)
{
    char json[64];
    snprintf(json, sizeof(json), "{\"low\":%ld,\"high\":%ld}", low, high);
    say_as(to, "local ports", "local_ports", json,
           "%ld-%ld: %ld; with %d s of TIME_WAIT, %ld connections/s to one peer", low, high,
           high - low + 1, TIME_WAIT_S, (high - low + 1) / TIME_WAIT_S);
}

static void say_sysctls(struct say *to)
{
    long n[2];
    if (counters_file("/proc/sys/net/ipv4/tcp_tw_reuse", n, 1))
        say_reuse(to, n[0]);
    if (counters_file("/proc/sys/net/ipv4/tcp_fin_timeout", n, 1))
        say_as(to, "tcp_fin_timeout", "tcp_fin_timeout", say_number(n[0]), "%ld s", n[0]);
    if (counters_file("/proc/sys/net/ipv4/ip_local_port_range", n, 2))
        say_ports(to, n[0], n[1]);
}

/** Why what it names cannot be written to; NULL: it can, or it names no file. */
static const char *why_not_opened(const char *name, const char *value)
{
    bool file = strcmp(name, "NOTIMEWAIT_LOG") == 0 || strcmp(name, "NOTIMEWAIT_STATS") == 0;
    if (!file || strcmp(value, "stderr") == 0 || file_can_be_appended_to(value, close))
        return NULL;
    return strerror(errno);
}

static void say_variable(struct say *to, const char *name, const char *preset)
{
    const char *value = getenv(name);
    bool set = value && *value;
    const char *shown = set ? value : preset;
    const char *why = set ? why_not_opened(name, value) : NULL;
    say_open(to, name, '{');
    say_as(to, name, "value", say_quoted(shown), "%s%s%s%s%s", shown, set ? "" : " (default)",
           why ? " (cannot be opened: " : "", why ? why : "", why ? ")" : "");
    say_member(to, "default", say_bool(!set));
    say_string(to, "error", why);
    say_close(to, '}');
}

static bool parse(char error[CONFIG_ERROR_SIZE])
{
    static struct config config;
    return config_parse(environ, &config, error);
}

bool host_is_configured(void)
{
    char error[CONFIG_ERROR_SIZE];
    return parse(error);
}

static void say_configuration(struct say *to)
{
    char error[CONFIG_ERROR_SIZE];
    const char *name, *preset;
    say_open(to, "variables", '{');
    for (unsigned i = 0; (name = config_variable(i, &preset)) != NULL; i++)
        say_variable(to, name, preset);
    say_close(to, '}');
    bool configured = parse(error);
    say_member(to, "configured", say_bool(configured));
    if (configured)
        say_string(to, "configuration", NULL);
    else
        say(to, "configuration", "configuration", "%s", error);
}

void host_say_settings(struct say *to)
{
    say_sysctls(to);
    say_configuration(to);
}
