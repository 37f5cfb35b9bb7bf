/* Vectors of four AES blocks, and VAES's operations on them. */
#ifndef KDK_AES_X86_512_H
#define KDK_AES_X86_512_H

#include <immintrin.h>
#include <stdint.h>

#define KDK_TARGET                                                                                           \
    __attribute__((                                                                                          \
        target("vaes,vpclmulqdq,gfni,avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi,avx512vbmi2,aes")))
#define KDK_INLINE KDK_TARGET static inline __attribute__((always_inline))

typedef __m512i vec;
#define LANES 4

KDK_INLINE vec load(const uint8_t *p) { return _mm512_loadu_si512(p); }
KDK_INLINE vec load_aligned(const uint8_t *p) { return _mm512_load_si512(p); }
KDK_INLINE void store(uint8_t *p, vec x) { _mm512_storeu_si512(p, x); }
KDK_INLINE void store_aligned(uint8_t *p, vec x) { _mm512_store_si512(p, x); }
KDK_INLINE vec broadcast(const uint8_t *p)
{
    return _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)p));
}
KDK_INLINE vec xor2(vec a, vec b) { return _mm512_xor_si512(a, b); }
KDK_INLINE vec xor3(vec a, vec b, vec c) { return _mm512_ternarylogic_epi64(a, b, c, 0x96); }

/* The block before each of `now`, where `before` holds those before them. */
KDK_INLINE vec preceding(vec before, vec now) { return _mm512_alignr_epi64(now, before, 6); }

KDK_INLINE vec aes_encrypt(vec x, vec key) { return _mm512_aesenc_epi128(x, key); }
KDK_INLINE vec aes_encrypt_last(vec x, vec key) { return _mm512_aesenclast_epi128(x, key); }
KDK_INLINE vec aes_decrypt(vec x, vec key) { return _mm512_aesdec_epi128(x, key); }
KDK_INLINE vec aes_decrypt_last(vec x, vec key) { return _mm512_aesdeclast_epi128(x, key); }

/* Thirty-two registers hold all of them. */
struct round_keys {
    vec keys[15];
};

KDK_INLINE void take_round_keys(struct round_keys *k, const uint8_t *schedule, int rounds)
{
    _Pragma("GCC unroll 16") for (int r = 0; r <= rounds; r++) k->keys[r] = broadcast(schedule + 16 * r);
}

KDK_INLINE vec round_key(const struct round_keys *k, int r) { return k->keys[r]; }

/* Holds the compiler to the order of the source. */
KDK_INLINE void pin(vec b[8])
{
    __asm__ __volatile__(""
                         : "+v"(b[0]), "+v"(b[1]), "+v"(b[2]), "+v"(b[3]), "+v"(b[4]), "+v"(b[5]), "+v"(b[6]),
                           "+v"(b[7])
                         :
                         : "memory");
}

#define KDK_CLEAR(n) "vpxorq %%zmm" #n ",%%zmm" #n ",%%zmm" #n ";"

KDK_INLINE void clear_registers(void)
{
    __asm__ __volatile__(
        "vzeroall;" KDK_CLEAR(16) KDK_CLEAR(17) KDK_CLEAR(18) KDK_CLEAR(19) KDK_CLEAR(20) KDK_CLEAR(21)
            KDK_CLEAR(22) KDK_CLEAR(23) KDK_CLEAR(24) KDK_CLEAR(25) KDK_CLEAR(26) KDK_CLEAR(27) KDK_CLEAR(28)
                KDK_CLEAR(29) KDK_CLEAR(30) KDK_CLEAR(31)
        :
        :
        : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11",
          "xmm12", "xmm13", "xmm14", "xmm15", "xmm16", "xmm17", "xmm18", "xmm19", "xmm20", "xmm21", "xmm22",
          "xmm23", "xmm24", "xmm25", "xmm26", "xmm27", "xmm28", "xmm29", "xmm30", "xmm31");
}

#undef KDK_CLEAR

#endif
