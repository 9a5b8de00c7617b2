/*
 * versions: calls functions of libc in the version of before their change, as a program of then
 * does, and prints what they did. `versions SCRIPT`: a file that is executable and has no #!.
 */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define SPAWN_PARAMETERS                                                                       \
    (pid_t *, const char *, const posix_spawn_file_actions_t *, const posix_spawnattr_t *,     \
     char *const[], char *const[])

#define SPAWN(version)                                                                         \
    __asm__(".symver old_spawn, posix_spawn@" version);                                        \
    __asm__(".symver old_spawnp, posix_spawnp@" version);

int old_spawn SPAWN_PARAMETERS;
int old_spawnp SPAWN_PARAMETERS;

#if defined(__x86_64__) && defined(__GLIBC__)
SPAWN("GLIBC_2.2.5")
#elif defined(__s390x__) && defined(__GLIBC__)
SPAWN("GLIBC_2.2")
#elif defined(__i386__) && defined(__GLIBC__)
SPAWN("GLIBC_2.2")
#define STDIO_OF_20
int old_fcntl(int, int, ...);
FILE *old_popen(const char *, const char *);
int old_fclose(FILE *);
FILE *old_fopen(const char *, const char *);
int old_pclose(FILE *);
__asm__(".symver old_fcntl, fcntl@GLIBC_2.0");
__asm__(".symver old_popen, popen@GLIBC_2.0");
__asm__(".symver old_pclose, pclose@GLIBC_2.0");
__asm__(".symver old_fopen, fopen@GLIBC_2.0");
__asm__(".symver old_fclose, fclose@GLIBC_2.0");
#else
#define old_spawn  posix_spawn
#define old_spawnp posix_spawnp
#endif

static void spawn(const char *name, int(*function) SPAWN_PARAMETERS, char *script)
{
    pid_t pid;
    int status = -1;
    char *words[] = {script, NULL};
    char *none[] = {NULL};
    fflush(stdout);
    int error = function(&pid, script, NULL, NULL, words, none);
    if (error == 0)
        waitpid(pid, &status, 0);
    printf("%s: error %d, status %d\n", name, error, status);
}

#ifdef STDIO_OF_20
static void old_stdio(const char *script)
{
    char line[64] = "";
    FILE *file = old_fopen(script, "r");
    printf("fopen: %s\n", file ? "done" : strerror(errno));
    if (file)
        printf("fclose: %d\n", old_fclose(file));
    file = old_popen("echo from popen", "r");
    if (file && read(fileno(file), line, sizeof(line) - 1) > 0)
        printf("popen: %s", line);
    if (file)
        printf("pclose: %d\n", old_pclose(file));
}

static void old_lock(void)
{
    struct flock64 lock = {.l_type = F_WRLCK, .l_start = 0x500000000LL, .l_len = 10};
    FILE *file = tmpfile();
    printf("F_OFD_SETLK: %d\n", file ? old_fcntl(fileno(file), F_OFD_SETLK, &lock) : -1);
}
#endif

int main(int argc, char **argv)
{
    if (argc != 2)
        return 2;
    spawn("older posix_spawn", old_spawn, argv[1]);
    spawn("older posix_spawnp", old_spawnp, argv[1]);
    spawn("posix_spawn", posix_spawn, argv[1]);
    spawn("posix_spawnp", posix_spawnp, argv[1]);
#ifdef STDIO_OF_20
    old_lock();
    old_stdio(argv[1]);
#endif
    return 0;
}
