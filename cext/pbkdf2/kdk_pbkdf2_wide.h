/* The loop for SHA-512; see kdk_pbkdf2_narrow.h. The includer gets iterate_sha512. */
#ifndef KDK_PBKDF2_WIDE_H
#define KDK_PBKDF2_WIDE_H

#include <string.h>

#include "kdk_pbkdf2.h"
#include "kdk_sha_wide.h"

typedef uint64_t wide_lanes[8][KDK_LANES];

KDK_INLINE void wide_compress(V *state, const V *digest)
{
    V w[16];
    for (int i = 0; i < 16; i++)
        w[i] = i < 8 ? digest[i] : digest[0] ^ digest[0];
    w[8] += 0x8000000000000000;
    w[15] += 8 * (128 + 64);
    sha512_compress(state, w);
}

KDK_INLINE void wide_group(const struct kdk_pbkdf2_pads *pads, struct kdk_pbkdf2_chain *chains, size_t count,
                           uint32_t iterations)
{
    wide_lanes in[4];
    V inner[8], outer[8], last[8], sum[8];

    for (int i = 0; i < 8; i++) {
        for (size_t lane = 0; lane < KDK_LANES; lane++) {
            const struct kdk_pbkdf2_chain *const chain = chains + (lane < count ? lane : 0);
            in[0][i][lane] = pads->inner.wide[i];
            in[1][i][lane] = pads->outer.wide[i];
            in[2][i][lane] = chain->last.wide[i];
            in[3][i][lane] = chain->sum.wide[i];
        }
        memcpy(inner + i, in[0][i], sizeof(V));
        memcpy(outer + i, in[1][i], sizeof(V));
        memcpy(last + i, in[2][i], sizeof(V));
        memcpy(sum + i, in[3][i], sizeof(V));
    }
    for (; iterations; iterations--) {
        V state[8];
        for (int i = 0; i < 8; i++)
            state[i] = inner[i];
        wide_compress(state, last);
        for (int i = 0; i < 8; i++)
            last[i] = outer[i];
        wide_compress(last, state);
        for (int i = 0; i < 8; i++)
            sum[i] ^= last[i];
    }
    for (int i = 0; i < 8; i++) {
        memcpy(in[2][i], last + i, sizeof(V));
        memcpy(in[3][i], sum + i, sizeof(V));
        for (size_t lane = 0; lane < KDK_LANES && lane < count; lane++) {
            chains[lane].last.wide[i] = in[2][i][lane];
            chains[lane].sum.wide[i] = in[3][i][lane];
        }
    }
}

KDK_TARGET static void iterate_sha512(const struct kdk_pbkdf2_pads *pads, struct kdk_pbkdf2_chain *chains,
                                      size_t count, uint32_t iterations)
{
    for (size_t at = 0; at < count; at += KDK_LANES)
        wide_group(pads, chains + at, count - at, iterations);
}

#endif
