#include "launcher/supervise/possible.h"

#include "launcher/supervise/filter.h"
#include "launcher/supervise/target.h"

#include <errno.h>
#include <linux/capability.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static _Noreturn void be_tried(int socket)
{
    int listener = filter_install();
    filter_send(socket, listener, listener < 0 ? errno : 0);
    for (;;)
        pause();
}

static int try(pid_t child, int socket, struct possible_features *features)
{
    int listener = filter_receive(socket);
    if (listener < 0)
        return errno;
    features->keeps_signals = filter_keeps_signals();
    features->wakes_in_turn = filter_wakes_in_turn(listener);
    close(listener);
    bool known;
    int copy = target_fd(child, socket, &known);
    int error = copy < 0 ? errno : 0;
    if (copy >= 0)
        close(copy);
    target_forget();
    return error;
}

int possible_supervision(struct possible_features *features)
{
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
        return errno;
    pid_t child = fork();
    if (child == 0)
        be_tried(ends[1]);
    close(ends[1]);
    int error = child < 0 ? errno : try(child, ends[0], features);
    if (child > 0) {
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
    }
    close(ends[0]);
    return error;
}

/** Over our user namespace, which is where the kernel asks (seccomp_prepare_filter()). */
bool possible_to_gain_rights(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {0};
    return syscall(SYS_capget, &header, data) == 0 &&
           (data[0].effective & 1u << CAP_SYS_ADMIN) != 0;
}
