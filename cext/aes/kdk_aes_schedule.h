/* AES's key expansion (FIPS 197, 5.2), once for every tier: each brings its own SubWord. */
#ifndef KDK_AES_SCHEDULE_H
#define KDK_AES_SCHEDULE_H

#include <stddef.h>
#include <stdint.h>

#define KDK_AES_MAX_ROUNDS 14
/* Room for the round keys of any tier. The portable tier's bitsliced ones are the largest: 15 × 8 slices × 16
 * bytes. */
#define KDK_AES_SCHEDULE_BYTES 1920
#define KDK_AES_WORDS (4 * (KDK_AES_MAX_ROUNDS + 1))

/* 10, 12 or 14 for keys of 16, 24 or 32 bytes. */
static inline unsigned kdk_aes_rounds(size_t key_bytes) { return (unsigned)(key_bytes / 4) + 6; }

/* w[] begins with the key's words, little-endian, in which RotWord is a rotation to the right. A macro, for a
 * function that takes another's address would not be inlined into code of every target. */
#define KDK_AES_EXPAND(w, key_bytes, sub_word)                                                               \
    do {                                                                                                     \
        const size_t key_words = (key_bytes) / 4, all_words = 4 * (key_words + 7);                           \
        uint32_t rcon = 1;                                                                                   \
        for (size_t i = key_words; i < all_words; i++) {                                                     \
            uint32_t word = (w)[i - 1];                                                                      \
            if (i % key_words == 0) {                                                                        \
                word = sub_word(word >> 8 | word << 24) ^ rcon;                                              \
                rcon = (rcon << 1) ^ (0x11b & -(rcon >> 7));                                                 \
            } else if (key_words == 8 && i % 8 == 4) {                                                       \
                word = sub_word(word);                                                                       \
            }                                                                                                \
            (w)[i] = (w)[i - key_words] ^ word;                                                              \
        }                                                                                                    \
    } while (0)

#endif
