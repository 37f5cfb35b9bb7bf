/* Vectors of one AES block, and AES-NI's operations on them. */
#ifndef KDK_AES_X86_128_H
#define KDK_AES_X86_128_H

#include <immintrin.h>
#include <stdint.h>

#define KDK_TARGET __attribute__((target("aes,sse4.1")))
#define KDK_INLINE KDK_TARGET static inline __attribute__((always_inline))

typedef __m128i vec;
#define LANES 1

KDK_INLINE vec load(const uint8_t *p) { return _mm_loadu_si128((const __m128i *)p); }
KDK_INLINE vec load_aligned(const uint8_t *p) { return _mm_load_si128((const __m128i *)p); }
KDK_INLINE void store(uint8_t *p, vec x) { _mm_storeu_si128((__m128i *)p, x); }
KDK_INLINE void store_aligned(uint8_t *p, vec x) { _mm_store_si128((__m128i *)p, x); }
KDK_INLINE vec broadcast(const uint8_t *p) { return load(p); }
KDK_INLINE vec xor2(vec a, vec b) { return _mm_xor_si128(a, b); }
KDK_INLINE vec xor3(vec a, vec b, vec c) { return xor2(a, xor2(b, c)); }

/* The block before each of `now`, where `before` holds those before them. */
KDK_INLINE vec preceding(vec before, vec now)
{
    (void)now;
    return before;
}

KDK_INLINE vec aes_encrypt(vec x, vec key) { return _mm_aesenc_si128(x, key); }
KDK_INLINE vec aes_encrypt_last(vec x, vec key) { return _mm_aesenclast_si128(x, key); }
KDK_INLINE vec aes_decrypt(vec x, vec key) { return _mm_aesdec_si128(x, key); }
KDK_INLINE vec aes_decrypt_last(vec x, vec key) { return _mm_aesdeclast_si128(x, key); }

/* Sixteen registers do not hold fifteen round keys and eight blocks: each key is loaded once a batch. */
struct round_keys {
    const uint8_t *schedule;
};

KDK_INLINE void take_round_keys(struct round_keys *k, const uint8_t *schedule, int rounds)
{
    (void)rounds;
    k->schedule = schedule;
}

KDK_INLINE vec round_key(const struct round_keys *k, int r) { return load_aligned(k->schedule + 16 * r); }

/* Holds the compiler to the order of the source. */
KDK_INLINE void pin(vec b[8])
{
    __asm__ __volatile__(""
                         : "+x"(b[0]), "+x"(b[1]), "+x"(b[2]), "+x"(b[3]), "+x"(b[4]), "+x"(b[5]), "+x"(b[6]),
                           "+x"(b[7])
                         :
                         : "memory");
}

KDK_INLINE void clear_registers(void)
{
    __asm__ __volatile__(
        "pxor %%xmm0,%%xmm0; pxor %%xmm1,%%xmm1; pxor %%xmm2,%%xmm2; pxor %%xmm3,%%xmm3;"
        "pxor %%xmm4,%%xmm4; pxor %%xmm5,%%xmm5; pxor %%xmm6,%%xmm6; pxor %%xmm7,%%xmm7;"
        "pxor %%xmm8,%%xmm8; pxor %%xmm9,%%xmm9; pxor %%xmm10,%%xmm10; pxor %%xmm11,%%xmm11;"
        "pxor %%xmm12,%%xmm12; pxor %%xmm13,%%xmm13; pxor %%xmm14,%%xmm14; pxor %%xmm15,%%xmm15"
        :
        :
        : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11",
          "xmm12", "xmm13", "xmm14", "xmm15");
}

#endif
