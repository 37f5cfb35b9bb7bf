/* Round keys for the x86 tiers, in the order in which AES-NI takes them. */
#ifndef KDK_AES_X86_SCHEDULE_H
#define KDK_AES_X86_SCHEDULE_H

#include <stdint.h>
#include <string.h>

#include "kdk_aes_schedule.h"
#include "kdk_aes_x86_128.h"
#include "kdk_wipe.h"

KDK_INLINE uint32_t sub_word(uint32_t word)
{
    return (uint32_t)_mm_extract_epi32(_mm_aeskeygenassist_si128(_mm_set1_epi32((int)word), 0), 0);
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
        store_aligned(encrypt + 16 * r, k);
        if (decrypt)
            store_aligned(decrypt + 16 * (rounds - r), r == 0 || r == rounds ? k : _mm_aesimc_si128(k));
    }
    kdk_wipe(w, sizeof w);
}

#endif
