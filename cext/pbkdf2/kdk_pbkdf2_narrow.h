/* The loop for SHA-1 and SHA-256, written once for single words and for vectors of them: the includer defines
 * V, KDK_LANES (the words of a V), KDK_INLINE and KDK_TARGET, and gets iterate_sha1 and iterate_sha256. */
#ifndef KDK_PBKDF2_NARROW_H
#define KDK_PBKDF2_NARROW_H

#include <string.h>

#include "kdk_pbkdf2.h"
#include "kdk_sha_narrow.h"

typedef uint32_t narrow_lanes[8][KDK_LANES];

/* Words `words` to 15 of a block that holds a digest and follows a pad (FIPS 180-4, section 5.1). */
KDK_INLINE void narrow_compress(V *state, const V *digest, const int words)
{
    V w[16];
    for (int i = 0; i < 16; i++)
        w[i] = i < words ? digest[i] : digest[0] ^ digest[0];
    w[words] += 0x80000000;
    w[15] += 8 * (64 + 4 * (uint32_t)words);
    if (words == 5)
        sha1_compress(state, w);
    else
        sha256_compress(state, w);
}

KDK_INLINE void narrow_group(const struct kdk_pbkdf2_pads *pads, struct kdk_pbkdf2_chain *chains,
                             size_t count, uint32_t iterations, const int words)
{
    narrow_lanes in[4];
    V inner[8], outer[8], last[8], sum[8];

    for (int i = 0; i < words; i++) {
        for (size_t lane = 0; lane < KDK_LANES; lane++) {
            const struct kdk_pbkdf2_chain *const chain = chains + (lane < count ? lane : 0);
            in[0][i][lane] = pads->inner.narrow[i];
            in[1][i][lane] = pads->outer.narrow[i];
            in[2][i][lane] = chain->last.narrow[i];
            in[3][i][lane] = chain->sum.narrow[i];
        }
        memcpy(inner + i, in[0][i], sizeof(V));
        memcpy(outer + i, in[1][i], sizeof(V));
        memcpy(last + i, in[2][i], sizeof(V));
        memcpy(sum + i, in[3][i], sizeof(V));
    }
    for (; iterations; iterations--) {
        V state[8];
        for (int i = 0; i < words; i++)
            state[i] = inner[i];
        narrow_compress(state, last, words);
        for (int i = 0; i < words; i++)
            last[i] = outer[i];
        narrow_compress(last, state, words);
        for (int i = 0; i < words; i++)
            sum[i] ^= last[i];
    }
    for (int i = 0; i < words; i++) {
        memcpy(in[2][i], last + i, sizeof(V));
        memcpy(in[3][i], sum + i, sizeof(V));
        for (size_t lane = 0; lane < KDK_LANES && lane < count; lane++) {
            chains[lane].last.narrow[i] = in[2][i][lane];
            chains[lane].sum.narrow[i] = in[3][i][lane];
        }
    }
}

KDK_TARGET static void iterate_sha1(const struct kdk_pbkdf2_pads *pads, struct kdk_pbkdf2_chain *chains,
                                    size_t count, uint32_t iterations)
{
    for (size_t at = 0; at < count; at += KDK_LANES)
        narrow_group(pads, chains + at, count - at, iterations, 5);
}

KDK_TARGET static void iterate_sha256(const struct kdk_pbkdf2_pads *pads, struct kdk_pbkdf2_chain *chains,
                                      size_t count, uint32_t iterations)
{
    for (size_t at = 0; at < count; at += KDK_LANES)
        narrow_group(pads, chains + at, count - at, iterations, 8);
}

#endif
