#include "launcher/supervise/supervise.h"

#include "kernel/process.h"
#include "launcher/child.h"
#include "launcher/environment.h"
#include "launcher/failure.h"
#include "launcher/inspect.h"
#include "launcher/line.h"
#include "launcher/reap/reaper.h"
#include "launcher/supervise/births.h"
#include "launcher/supervise/filter.h"
#include "launcher/supervise/notified.h"
#include "launcher/supervise/possible.h"
#include "launcher/supervise/processes.h"
#include "launcher/supervise/serve.h"
#include "launcher/supervise/target.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* How the notification's fd comes to both holders: the command sends it twice, the worker takes
 * one, and the other stays in the socket for the keeper. */
static int sending, receiving;

static const struct supervision *supervision;
static pid_t keeper;
static struct child_note *note;

bool supervise_accepts(const struct config *config, bool library)
{
    for (unsigned i = 0; i < config->policies.count && !library; i++) {
        char name[32];
        struct text text = text_in(name, sizeof(name));
        policy_text(&text, &config->policies.all[i]);
        if (!notified_needs_library(&config->policies.all[i]))
            continue;
        complain("-p, -r: '%s' needs the library; supervision does off, auto, fin-rst, reap "
                 "(--by preload or both does it, where a preload reaches the program)",
                 name);
        return false;
    }
    if (library || !config->log)
        return true;
    complain("--log: closes are not seen from outside (--by preload or both has them)");
    return false;
}

bool supervise_reaches(const char *command)
{
    static const struct library none;
    static struct inspection inspection;
    const struct inspected *last = inspect(command, &none, &inspection);
    if (!finding_gains_rights(last->finding) || possible_to_gain_rights())
        return true;
    complain("%s: it gains rights by being run, which supervision keeps it from "
             "(no_new_privs); put notimewait behind it, or run it as root",
             last->path);
    return false;
}

/** In the command, before exec. */
static bool install_filter(void)
{
    int listener = filter_install();
    filter_send(sending, listener, listener < 0 ? errno : 0);
    if (listener >= 0)
        close(listener);
    return listener >= 0;
}

static void complain_refused(int error)
{
    if (error == EBUSY)
        complain("--by supervise: a process above has a seccomp listener already, and the "
                 "kernel allows one (EBUSY)");
    else if (error == ESRCH)
        complain("--by supervise: the command ended before it could be supervised");
    else
        complain("--by supervise: the kernel, or a container's filter, does not allow it: %s",
                 strerror(error));
}

/** In the worker, whose child the command is. */
static bool worker_started(void)
{
    close(sending);
    int listener = filter_receive(receiving);
    if (listener < 0)
        complain_refused(errno);
    else
        serve_begin(listener);
    return listener >= 0;
}

/** What the worker does, and the keeper in its place. */
static struct child_options options_of_worker(void)
{
    struct child_options options = {
        .descendants = true,
        .prepare = install_filter,
        .started = worker_started,
        .serve = serve,
        .note = note,
    };
    if (supervision->reap) {
        options.tick = reaper_remove;
        options.tick_ms = REAPER_TICK_MS;
    }
    return options;
}

/** The command's table of connections is not ours. */
static void do_nothing(void)
{
}

static int work(char *const command[])
{
    struct child_options options = options_of_worker();
    options.master = keeper;
    process_init(do_nothing);
    if (supervision->reap && !reaper_begin())
        return EXIT_FAILED;
    struct child_result result = child_run(command, &options);
    processes_end();
    if (supervision->reap)
        reaper_end();
    if (result.refused)
        return EXIT_USAGE;
    return result.error ? failure_not_started(command[0], result.error) : result.status;
}

static bool keeper_started(void)
{
    close(sending);
    return true;
}

/** The worker was killed: its children are ours now. */
static int take_over(void)
{
    struct child_options options = options_of_worker();
    int listener = filter_receive(receiving);
    if (listener < 0)
        return 128 + SIGKILL;
    options.tick = NULL; /* the cookies were in the worker's memory */
    serve_begin(listener);
    int status = child_adopt(&options).status;
    processes_end();
    return status;
}

/** Processes that share what is in hand, and how the command is known to both. */
static bool prepare(void)
{
    int ends[2];
    note = mmap(NULL, sizeof(*note), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (note == MAP_FAILED || !serve_prepare() ||
        socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
        return false;
    receiving = ends[0];
    sending = ends[1];
    return prctl(PR_SET_CHILD_SUBREAPER, 1) == 0;
}

/** The library marks what it handles. Yama lets a process only control its descendants, and
 * those of the worker are the keeper's, too. */
static void tell_library(void)
{
    char pid[16];
    snprintf(pid, sizeof(pid), "%d", (int)getpid());
    environment_set("NOTIMEWAIT_SUPERVISOR", pid);
}

static bool is_reap(const struct policy *policy)
{
    return policy->kind == POLICY_REAP;
}

int supervise_command(char *const command[], const struct supervision *wanted)
{
    supervision = wanted;
    keeper = getpid();
    if (wanted->reap && !reaper_is_permitted())
        return EXIT_USAGE;
    if (!wanted->reap && !wanted->library && policies_any(&wanted->config->policies, is_reap))
        complain("-p: 'reap' needs --reap; it acts as auto, and TIME_WAIT entries stay");
    if (!prepare()) {
        complain("--by supervise: %s", strerror(errno));
        return EXIT_FAILED;
    }
    bool known;
    int copy = target_fd(getpid(), receiving, &known);
    if (copy < 0) { /* as it would be for every call */
        complain_refused(errno);
        return EXIT_USAGE;
    }
    close(copy);
    target_forget();
    if (!births_begin())
        return EXIT_USAGE;
    tell_library();
    notified_begin(wanted->config, wanted->reap, wanted->library);
    child_hold_signals(CHILD_ALL_SIGNALS);
    struct child_result result = child_run(
        command,
        &(struct child_options){.instead = work, .started = keeper_started, .inner = note});
    return result.signal ? take_over() : result.status;
}
