/* Numbers in memory, in the byte order that a standard names, whatever the processor's is. */
#ifndef KDK_BYTES_H
#define KDK_BYTES_H

#include <stdint.h>
#include <string.h>

static inline uint32_t kdk_swap32_if(uint32_t x, int swap) { return swap ? __builtin_bswap32(x) : x; }
static inline uint64_t kdk_swap64_if(uint64_t x, int swap) { return swap ? __builtin_bswap64(x) : x; }

#define KDK_BIG_ENDIAN (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__)

static inline uint64_t kdk_load64_le(const uint8_t *p)
{
    uint64_t x;
    memcpy(&x, p, sizeof x);
    return kdk_swap64_if(x, KDK_BIG_ENDIAN);
}

static inline void kdk_store64_le(uint8_t *p, uint64_t x)
{
    x = kdk_swap64_if(x, KDK_BIG_ENDIAN);
    memcpy(p, &x, sizeof x);
}

static inline void kdk_store32_le(uint8_t *p, uint32_t x)
{
    x = kdk_swap32_if(x, KDK_BIG_ENDIAN);
    memcpy(p, &x, sizeof x);
}

static inline uint64_t kdk_load64_be(const uint8_t *p)
{
    uint64_t x;
    memcpy(&x, p, sizeof x);
    return kdk_swap64_if(x, !KDK_BIG_ENDIAN);
}

static inline void kdk_store64_be(uint8_t *p, uint64_t x)
{
    x = kdk_swap64_if(x, !KDK_BIG_ENDIAN);
    memcpy(p, &x, sizeof x);
}

static inline uint32_t kdk_load32_be(const uint8_t *p)
{
    uint32_t x;
    memcpy(&x, p, sizeof x);
    return kdk_swap32_if(x, !KDK_BIG_ENDIAN);
}

static inline void kdk_store32_be(uint8_t *p, uint32_t x)
{
    x = kdk_swap32_if(x, !KDK_BIG_ENDIAN);
    memcpy(p, &x, sizeof x);
}

#endif
