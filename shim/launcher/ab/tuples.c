#include "launcher/ab/tuples.h"

#include "launcher/memory.h"
#include "policy/address.h"
#include "policy/number.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

struct tuple tuple_of(const struct diag_socket *socket)
{
    struct tuple tuple = {
        .local = address_in6(socket->family, socket->id.local),
        .peer = address_in6(socket->family, socket->id.peer),
        .local_port = ntohs(socket->id.local_port),
        .peer_port = ntohs(socket->id.peer_port),
    };
    return tuple;
}

bool tuple_parse(const char *s, struct in6_addr *address, uint16_t *port)
{
    bool six = *s == '[';
    size_t len = six ? strcspn(++s, "]") : strcspn(s, ":");
    const char *colon = s + len + (six && s[len] == ']');
    char name[INET6_ADDRSTRLEN];
    unsigned char raw[16];
    uint64_t number;
    if (len >= sizeof(name) || *colon != ':')
        return false;
    memcpy(name, s, len);
    name[len] = '\0';
    if (inet_pton(six ? AF_INET6 : AF_INET, name, raw) != 1 ||
        !number_parse(colon + 1, strcspn(colon + 1, "\""), 0, UINT16_MAX, &number))
        return false;
    *address = address_in6(six ? AF_INET6 : AF_INET, raw);
    *port = (uint16_t)number;
    return true;
}

static int compare(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct tuple)); /* it has no padding */
}
_Static_assert(sizeof(struct tuple) == 36, "no padding");

void tuples_add(struct tuples *tuples, const struct tuple *tuple)
{
    tuples->all = grow(tuples->all, &tuples->room, tuples->count + 1, sizeof(*tuple));
    tuples->all[tuples->count++] = *tuple;
    tuples->sorted = false;
}

void tuples_add_all(struct tuples *tuples, const struct tuples *others)
{
    for (size_t i = 0; i < others->count; i++)
        tuples_add(tuples, &others->all[i]);
}

/** Sorts, and keeps one of each. */
static void sort(struct tuples *tuples)
{
    size_t kept = 0;
    if (tuples->count > 0)
        qsort(tuples->all, tuples->count, sizeof(*tuples->all), compare);
    for (size_t i = 0; i < tuples->count; i++)
        if (kept == 0 || compare(&tuples->all[kept - 1], &tuples->all[i]) != 0)
            tuples->all[kept++] = tuples->all[i];
    tuples->count = kept;
    tuples->sorted = true;
}

ptrdiff_t tuples_find(struct tuples *tuples, const struct tuple *tuple)
{
    if (!tuples->sorted)
        sort(tuples);
    if (tuples->count == 0)
        return -1;
    const struct tuple *found =
        bsearch(tuple, tuples->all, tuples->count, sizeof(*tuple), compare);
    return found ? found - tuples->all : -1;
}

void tuples_clear(struct tuples *tuples)
{
    free(tuples->all);
    *tuples = (struct tuples){0};
}
