/* What the C tests of the engines share: CHECK, which aborts at the first wrong fact, and reading hex. */
#ifndef KDK_TESTS_CHECK_H
#define KDK_TESTS_CHECK_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(fact)                                                                                          \
    do {                                                                                                     \
        if (!(fact)) {                                                                                       \
            fprintf(stderr, "%s:%d: not so (tier %s): %s\n", __FILE__, __LINE__, tier_at_work, #fact);       \
            abort();                                                                                         \
        }                                                                                                    \
    } while (0)

static const char *tier_at_work = "none";

/* The buffer is exactly as long as the field says, so that a byte too far is an error of the sanitizer. */
static inline uint8_t *exact_from_hex(const char *hex, size_t *size)
{
    *size = hex[0] == '-' ? 0 : strlen(hex) / 2;
    uint8_t *const data = malloc(*size + !*size);
    CHECK(data);
    for (size_t i = 0; i < *size; i++) {
        unsigned byte;
        CHECK(sscanf(hex + 2 * i, "%2x", &byte) == 1);
        data[i] = (uint8_t)byte;
    }
    return data;
}

#endif
