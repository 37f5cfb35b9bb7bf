#include "kdk_fileio.h"

#include <string.h>

static int all_zeros(const uint8_t *p, size_t n)
{
    return n == 0 || (p[0] == 0 && memcmp(p, p + 1, n - 1) == 0);
}

int kdk_next_data(const uint8_t *p, size_t n, size_t block, size_t *at, size_t *start, size_t *end)
{
    size_t here = *at;
    while (here < n && all_zeros(p + here, n - here < block ? n - here : block))
        here += block;
    if (here >= n) {
        *at = n;
        return 0;
    }
    *start = here;
    do
        here += block;
    while (here < n && !all_zeros(p + here, n - here < block ? n - here : block));
    *end = *at = here < n ? here : n;
    return 1;
}
