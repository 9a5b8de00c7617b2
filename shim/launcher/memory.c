#include "launcher/memory.h"

#include "launcher/failure.h"
#include "launcher/line.h"

#include <stdlib.h>

void *grow(void *array, size_t *room, size_t count, size_t size)
{
    if (count <= *room)
        return array;
    *room = count < 16 ? 16 : 2 * count;
    void *bigger = reallocarray(array, *room, size);
    if (!bigger) {
        complain("out of memory");
        exit(EXIT_FAILED);
    }
    return bigger;
}
