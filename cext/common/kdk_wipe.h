/* Zeroing that the optimiser may not drop: a plain memset of memory that is about to go out of scope is dead
 * code to it. */
#ifndef KDK_WIPE_H
#define KDK_WIPE_H

#include <stddef.h>
#include <string.h>

static inline void kdk_wipe(void *p, size_t n)
{
    if (n) {
        memset(p, 0, n);
        __asm__ __volatile__("" : : "r"(p) : "memory");
    }
}

#endif
