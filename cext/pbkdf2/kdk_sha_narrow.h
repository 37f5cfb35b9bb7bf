/* SHA-1 and SHA-256 on words of 32 bits (FIPS 180-4, sections 6.1 and 6.2), written once for single words and
 * for vectors of them.
 *
 * The includer defines V, the word or a GCC vector of words; KDK_INLINE; and where its processor has them in
 * one instruction, with KDK_TERNARY, the functions xor3, choose and majority of three Vs. */
#ifndef KDK_SHA_NARROW_H
#define KDK_SHA_NARROW_H

#include "kdk_sha.h"

#define KDK_ALL_ROUNDS _Pragma("GCC unroll 80")

KDK_INLINE V rotate_right(V x, const int n) { return x >> n | x << (32 - n); }

#ifndef KDK_TERNARY
KDK_INLINE V xor3(V x, V y, V z) { return x ^ y ^ z; }
KDK_INLINE V choose(V x, V y, V z) { return z ^ (x & (y ^ z)); }
KDK_INLINE V majority(V x, V y, V z) { return (x & y) | (z & (x | y)); }
#endif

/* `w`: the 16 words of the block; they are overwritten. */
KDK_INLINE void sha1_compress(V *state, V *w)
{
    V s[5];
    for (int i = 0; i < 5; i++)
        s[i] = state[i];
    KDK_ALL_ROUNDS
    for (int r = 0; r < 80; r++) {
        const int i = r % 16, a = (80 - r) % 5, b = (a + 1) % 5, c = (a + 2) % 5, d = (a + 3) % 5,
                  e = (a + 4) % 5;
        if (r >= 16)
            w[i] = rotate_right(xor3(w[(i + 13) % 16], w[(i + 8) % 16], w[(i + 2) % 16] ^ w[i]), 31);
        const V f = r < 20   ? choose(s[b], s[c], s[d])
                    : r < 40 ? xor3(s[b], s[c], s[d])
                    : r < 60 ? majority(s[b], s[c], s[d])
                             : xor3(s[b], s[c], s[d]);
        const uint32_t k = r < 20 ? 0x5a827999 : r < 40 ? 0x6ed9eba1 : r < 60 ? 0x8f1bbcdc : 0xca62c1d6;
        s[e] += rotate_right(s[a], 27) + f + (w[i] + k);
        s[b] = rotate_right(s[b], 2);
    }
    for (int i = 0; i < 5; i++)
        state[i] += s[i];
}

KDK_INLINE void sha256_compress(V *state, V *w)
{
    V s[8];
    for (int i = 0; i < 8; i++)
        s[i] = state[i];
    KDK_ALL_ROUNDS
    for (int r = 0; r < 64; r++) {
        const int i = r % 16, a = (64 - r) % 8, b = (a + 1) % 8, c = (a + 2) % 8, d = (a + 3) % 8;
        const int e = (a + 4) % 8, f = (a + 5) % 8, g = (a + 6) % 8, h = (a + 7) % 8;
        if (r >= 16) {
            const V x = w[(i + 1) % 16], y = w[(i + 14) % 16];
            w[i] += xor3(rotate_right(x, 7), rotate_right(x, 18), x >> 3) + w[(i + 9) % 16] +
                    xor3(rotate_right(y, 17), rotate_right(y, 19), y >> 10);
        }
        const V sum1 = xor3(rotate_right(s[e], 6), rotate_right(s[e], 11), rotate_right(s[e], 25));
        const V sum0 = xor3(rotate_right(s[a], 2), rotate_right(s[a], 13), rotate_right(s[a], 22));
        const V t = s[h] + (w[i] + kdk_sha256_k[r]) + choose(s[e], s[f], s[g]) + sum1;
        s[d] += t;
        s[h] = t + (sum0 + majority(s[a], s[b], s[c]));
    }
    for (int i = 0; i < 8; i++)
        state[i] += s[i];
}

#endif
