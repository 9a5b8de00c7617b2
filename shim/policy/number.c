#include "policy/number.h"

bool number_parse(const char *s, size_t len, uint64_t least, uint64_t most, uint64_t *number)
{
    uint64_t n = 0;
    for (size_t i = 0; i < len; i++) {
        if (s[i] < '0' || s[i] > '9')
            return false;
        uint64_t digit = (uint64_t)(s[i] - '0');
        if (digit > most || n > (most - digit) / 10)
            return false;
        n = n * 10 + digit;
    }
    *number = n;
    return len > 0 && n >= least;
}
