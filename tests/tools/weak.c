/*
 * weak: asks in the ways that programs do whether libc has a function, and prints the answers:
 * by a weak reference, and by its name.
 */
#include <dlfcn.h>
#include <stdio.h>

extern void closefrom(int) __attribute__((weak));
extern int pidfd_spawnp(int *, ...) __attribute__((weak));
extern int close(int) __attribute__((weak));

int main(void)
{
    static const char *const names[] = {"close", "closefrom", "pidfd_spawnp", "__sendmsg64",
                                        "_IO_fclose"};
    printf("weak: %s%s%s\n", close ? " close" : "", closefrom ? " closefrom" : "",
           pidfd_spawnp ? " pidfd_spawnp" : "");
    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        printf("%s: %s\n", names[i], dlsym(RTLD_DEFAULT, names[i]) ? "there" : "not there");
    return 0;
}
