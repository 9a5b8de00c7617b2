/*
 * results: makes every call that the library intercepts, on every kind of fd and with every
 * error that can be provoked, and prints a line for each: what it returned, errno and the other
 * outputs. `results [io|message|birth|end|wait|process|reuse]...`; all of them without
 * arguments.
 *
 * The output is the same from run to run (no ports, no times, no pids), and has to be the same
 * under the library, whatever its policy. This file runs the parts; results_*.h hold them.
 */
#include "results.h"
#include "results_birth.h"
#include "results_end.h"
#include "results_io.h"
#include "results_message.h"
#include "results_others.h"
#include "results_process.h"
#include "results_reuse.h"
#include "results_wait.h"

enum { TIME_LIMIT_S = 50 };

static const struct part {
    const char *name;
    void (*run)(void);
} parts[] = {
    {"io", results_io},       {"message", results_message}, {"birth", results_birth},
    {"end", results_end},     {"wait", results_wait},       {"process", results_process},
    {"reuse", results_reuse},
};

/* What was printed until then tells where. */
static void on_crash(int sig)
{
    (void)fflush(stdout);
    (void)fprintf(stderr, "\nresults: SIG%s\n", sigabbrev_np(sig));
    _exit(128 + sig);
}

static void prepare_process(void)
{
    struct rlimit files;

    bad = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    (void)getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = 1024; /* what is beyond the limit is EBADF, not EMFILE */
    if (bad == MAP_FAILED || setrlimit(RLIMIT_NOFILE, &files) < 0)
        die("mmap, setrlimit");
    handle(SIGALRM, on_alarm);
    handle(SIGPIPE, on_sigpipe);
    handle(SIGSEGV, on_crash);
    handle(SIGABRT, on_crash);
    find_aliases();
    make_listeners();
}

static void run_part(const char *name)
{
    for (int i = 0; i < COUNT(parts); i++) {
        if (strcmp(name, parts[i].name) == 0) {
            parts[i].run();
            return;
        }
    }
    (void)fprintf(stderr, "results: no part '%s'\n", name);
    exit(2);
}

int main(int argc, char **argv)
{
    prepare_process();
    for (int i = 1; i < argc; i++)
        run_part(argv[i]);
    for (int i = 0; argc == 1 && i < COUNT(parts); i++)
        run_part(parts[i].name);
    (void)putchar('\n');
    return 0;
}
