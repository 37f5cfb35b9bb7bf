/* SHA-512 on words of 64 bits (FIPS 180-4, section 6.4), for single words and for vectors of them; see
 * kdk_sha_narrow.h. */
#ifndef KDK_SHA_WIDE_H
#define KDK_SHA_WIDE_H

#include "kdk_sha.h"

KDK_INLINE V wide_rotate(V x, const int n) { return x >> n | x << (64 - n); }

#ifndef KDK_TERNARY
KDK_INLINE V wide_xor3(V x, V y, V z) { return x ^ y ^ z; }
KDK_INLINE V wide_choose(V x, V y, V z) { return z ^ (x & (y ^ z)); }
KDK_INLINE V wide_majority(V x, V y, V z) { return (x & y) | (z & (x | y)); }
#endif

KDK_INLINE void sha512_compress(V *state, V *w)
{
    V s[8];
    for (int i = 0; i < 8; i++)
        s[i] = state[i];
    _Pragma("GCC unroll 80") for (int r = 0; r < 80; r++)
    {
        const int i = r % 16, a = (80 - r) % 8, b = (a + 1) % 8, c = (a + 2) % 8, d = (a + 3) % 8;
        const int e = (a + 4) % 8, f = (a + 5) % 8, g = (a + 6) % 8, h = (a + 7) % 8;
        if (r >= 16) {
            const V x = w[(i + 1) % 16], y = w[(i + 14) % 16];
            w[i] += wide_xor3(wide_rotate(x, 1), wide_rotate(x, 8), x >> 7) + w[(i + 9) % 16] +
                    wide_xor3(wide_rotate(y, 19), wide_rotate(y, 61), y >> 6);
        }
        const V sum1 = wide_xor3(wide_rotate(s[e], 14), wide_rotate(s[e], 18), wide_rotate(s[e], 41));
        const V sum0 = wide_xor3(wide_rotate(s[a], 28), wide_rotate(s[a], 34), wide_rotate(s[a], 39));
        const V t = s[h] + (w[i] + kdk_sha512_k[r]) + wide_choose(s[e], s[f], s[g]) + sum1;
        s[d] += t;
        s[h] = t + (sum0 + wide_majority(s[a], s[b], s[c]));
    }
    for (int i = 0; i < 8; i++)
        state[i] += s[i];
}

#endif
