/* The limit that the engine is held against: the AES round instructions of one vector width over a buffer,
 * with no tweaks and no whitening, and a loop around the engine that takes Python out of the measurement.
 * Compiled by the benchmark with the engine. */
#define _POSIX_C_SOURCE 199309L
#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "kdk_aesxts.h"

#define EACH(i) _Pragma("GCC unroll 8") for (int i = 0; i < 8; i++)

#define LIMIT(NAME, TARGET, V, LOAD, STORE, DEC, DECLAST, BYTES, KEYS)                                       \
    __attribute__((target(TARGET), noinline)) static void NAME(uint8_t *p, size_t n)                         \
    {                                                                                                        \
        V k[15];                                                                                             \
        for (int r = 0; r < 15; r++)                                                                         \
            k[r] = LOAD(KEYS + 64 * r);                                                                      \
        for (; n >= 8 * BYTES; n -= 8 * BYTES, p += 8 * BYTES) {                                             \
            V b[8];                                                                                          \
            EACH (i)                                                                                         \
                b[i] = LOAD(p + BYTES * i);                                                                  \
            _Pragma("GCC unroll 16") for (int r = 1; r < 14; r++) EACH (i) b[i] = DEC(b[i], k[r]);           \
            EACH (i)                                                                                         \
                STORE(p + BYTES * i, DECLAST(b[i], k[14]));                                                  \
        }                                                                                                    \
    }

static _Alignas(64) uint8_t keys[15 * 64];
#define L1(p) _mm_loadu_si128((const __m128i *)(p))
#define S1(p, x) _mm_storeu_si128((__m128i *)(p), x)
#define L2(p) _mm256_loadu_si256((const __m256i *)(p))
#define S2(p, x) _mm256_storeu_si256((__m256i *)(p), x)
#define L4(p) _mm512_loadu_si512(p)
#define S4(p, x) _mm512_storeu_si512(p, x)
LIMIT(limit_128, "aes,avx", __m128i, L1, S1, _mm_aesdec_si128, _mm_aesdeclast_si128, 16, keys)
LIMIT(limit_256, "vaes,avx2", __m256i, L2, S2, _mm256_aesdec_epi128, _mm256_aesdeclast_epi128, 32, keys)
LIMIT(limit_512, "vaes,avx512f", __m512i, L4, S4, _mm512_aesdec_epi128, _mm512_aesdeclast_epi128, 64, keys)

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Seconds for `passes` passes of the limit loop of the tier's width over n bytes. */
double bench_limit(int tier, uint8_t *p, size_t n, int passes)
{
    void (*const loop)(uint8_t *, size_t) = tier == KDK_AESXTS_AESNI       ? limit_128
                                            : tier == KDK_AESXTS_VAES_AVX2 ? limit_256
                                                                           : limit_512;
    const double start = now();
    for (int i = 0; i < passes; i++)
        loop(p, n);
    return now() - start;
}

/* Seconds for `passes` calls of the engine, n bytes in place; negative on an error. */
double bench_engine(int tier, int decrypt, uint8_t *p, size_t n, size_t sector_size, int passes)
{
    static struct kdk_aesxts_ctx ctx;
    uint8_t key[64];
    for (int i = 0; i < 64; i++)
        key[i] = (uint8_t)(i * 7 + 1);
    if (kdk_aesxts_init(&ctx, key, sizeof key, tier) != KDK_AESXTS_OK)
        return -1;
    const double start = now();
    for (int i = 0; i < passes; i++) {
        struct kdk_aesxts_run run = {p, p, 0, sector_size, 0, sector_size / 512, UINT64_MAX, 0};
        if ((decrypt ? kdk_aesxts_decrypt : kdk_aesxts_encrypt)(&ctx, &run, n) != KDK_AESXTS_OK)
            return -1;
    }
    return now() - start;
}
