/* Vectors of one AES block, ARMv8's operations on them, and round keys in the order in which they are taken.
 */
#ifndef KDK_AES_ARMV8_H
#define KDK_AES_ARMV8_H

#include <arm_neon.h>
#include <stdint.h>
#include <string.h>

#include "kdk_aes_schedule.h"
#include "kdk_wipe.h"

#if defined(__clang__)
#define KDK_TARGET __attribute__((target("crypto")))
#else
#define KDK_TARGET __attribute__((target("+crypto")))
#endif
#define KDK_INLINE KDK_TARGET static inline __attribute__((always_inline))

typedef uint8x16_t vec;
#define LANES 1

KDK_INLINE vec load(const uint8_t *p) { return vld1q_u8(p); }
KDK_INLINE void store(uint8_t *p, vec x) { vst1q_u8(p, x); }
KDK_INLINE vec broadcast(const uint8_t *p) { return load(p); }
KDK_INLINE vec xor2(vec a, vec b) { return veorq_u8(a, b); }

/* The block before each of `now`, where `before` holds those before them. */
KDK_INLINE vec preceding(vec before, vec now)
{
    (void)now;
    return before;
}

/* AESE and AESD add the key before the round, unlike FIPS 197's: the first n keys go into n rounds, and the
 * last is added by itself. */
KDK_INLINE vec aes_encrypt(vec x, vec key) { return vaesmcq_u8(vaeseq_u8(x, key)); }
KDK_INLINE vec aes_encrypt_last(vec x, vec key) { return vaeseq_u8(x, key); }
KDK_INLINE vec aes_decrypt(vec x, vec key) { return vaesimcq_u8(vaesdq_u8(x, key)); }
KDK_INLINE vec aes_decrypt_last(vec x, vec key) { return vaesdq_u8(x, key); }

struct round_keys {
    const uint8_t *schedule;
};

KDK_INLINE void take_round_keys(struct round_keys *k, const uint8_t *schedule, int rounds)
{
    (void)rounds;
    k->schedule = schedule;
}

KDK_INLINE vec round_key(const struct round_keys *k, int r) { return load(k->schedule + 16 * r); }

/* SubWord (FIPS 197, 5.2): in a block of four equal columns ShiftRows moves nothing, so AESE under a zero key
 * is SubBytes alone. */
KDK_INLINE uint32_t sub_word(uint32_t word)
{
    const vec columns = vreinterpretq_u8_u32(vdupq_n_u32(word));
    return vgetq_lane_u32(vreinterpretq_u32_u8(vaeseq_u8(columns, vdupq_n_u8(0))), 0);
}

/* For encryption, and where `decrypt` is given for decryption: FIPS 197, 5.3.5, the equivalent inverse
 * cipher, which has the keys backwards, the inner ones through InvMixColumns. */
KDK_INLINE void expand(uint8_t *encrypt, uint8_t *decrypt, const uint8_t *key, size_t key_bytes)
{
    const unsigned rounds = kdk_aes_rounds(key_bytes);
    uint32_t w[KDK_AES_WORDS];
    memcpy(w, key, key_bytes);
    KDK_AES_EXPAND(w, key_bytes, sub_word);
    for (unsigned r = 0; r <= rounds; r++) {
        const vec k = load((const uint8_t *)(w + 4 * r));
        store(encrypt + 16 * r, k);
        if (decrypt)
            store(decrypt + 16 * (rounds - r), r == 0 || r == rounds ? k : vaesimcq_u8(k));
    }
    kdk_wipe(w, sizeof w);
}

#endif
