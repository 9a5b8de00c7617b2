#include "launcher/release.h"

#include <stdlib.h>
#include <sys/utsname.h>

bool release_is_before(unsigned major, unsigned minor)
{
    struct utsname name;
    char *dot, *end;
    if (uname(&name) != 0)
        return false;
    unsigned long is_major = strtoul(name.release, &dot, 10);
    if (dot == name.release || *dot != '.')
        return false;
    unsigned long is_minor = strtoul(dot + 1, &end, 10);
    return end != dot + 1 && (is_major < major || (is_major == major && is_minor < minor));
}
