#include "launcher/release.h"

#include <stdio.h>
#include <sys/utsname.h>

bool release_is_before(unsigned major, unsigned minor)
{
    struct utsname name;
    unsigned is_major, is_minor;
    return uname(&name) == 0 && sscanf(name.release, "%u.%u", &is_major, &is_minor) == 2 &&
           (is_major < major || (is_major == major && is_minor < minor));
}
