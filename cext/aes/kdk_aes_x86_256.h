/* Vectors of two AES blocks, and VAES's operations on them. */
#ifndef KDK_AES_X86_256_H
#define KDK_AES_X86_256_H

#include <immintrin.h>
#include <stdint.h>

#define KDK_TARGET __attribute__((target("vaes,vpclmulqdq,avx2,aes")))
#define KDK_INLINE KDK_TARGET static inline __attribute__((always_inline))

typedef __m256i vec;
#define LANES 2

KDK_INLINE vec load(const uint8_t *p) { return _mm256_loadu_si256((const __m256i *)p); }
KDK_INLINE vec load_aligned(const uint8_t *p) { return _mm256_load_si256((const __m256i *)p); }
KDK_INLINE void store(uint8_t *p, vec x) { _mm256_storeu_si256((__m256i *)p, x); }
KDK_INLINE void store_aligned(uint8_t *p, vec x) { _mm256_store_si256((__m256i *)p, x); }
KDK_INLINE vec broadcast(const uint8_t *p)
{
    return _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)p));
}
KDK_INLINE vec xor2(vec a, vec b) { return _mm256_xor_si256(a, b); }
KDK_INLINE vec xor3(vec a, vec b, vec c) { return xor2(a, xor2(b, c)); }

/* The block before each of `now`, where `before` holds those before them. */
KDK_INLINE vec preceding(vec before, vec now) { return _mm256_permute2x128_si256(before, now, 0x21); }

KDK_INLINE vec aes_encrypt(vec x, vec key) { return _mm256_aesenc_epi128(x, key); }
KDK_INLINE vec aes_encrypt_last(vec x, vec key) { return _mm256_aesenclast_epi128(x, key); }
KDK_INLINE vec aes_decrypt(vec x, vec key) { return _mm256_aesdec_epi128(x, key); }
KDK_INLINE vec aes_decrypt_last(vec x, vec key) { return _mm256_aesdeclast_epi128(x, key); }

/* Sixteen registers do not hold fifteen round keys and eight vectors: each key is loaded once a batch. */
struct round_keys {
    const uint8_t *schedule;
};

KDK_INLINE void take_round_keys(struct round_keys *k, const uint8_t *schedule, int rounds)
{
    (void)rounds;
    k->schedule = schedule;
}

KDK_INLINE vec round_key(const struct round_keys *k, int r) { return broadcast(k->schedule + 16 * r); }

/* Holds the compiler to the order of the source. */
KDK_INLINE void pin(vec b[8])
{
    __asm__ __volatile__(""
                         : "+x"(b[0]), "+x"(b[1]), "+x"(b[2]), "+x"(b[3]), "+x"(b[4]), "+x"(b[5]), "+x"(b[6]),
                           "+x"(b[7])
                         :
                         : "memory");
}

KDK_INLINE void clear_registers(void) { _mm256_zeroall(); }

#endif
