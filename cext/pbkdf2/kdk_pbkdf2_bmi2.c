/* One chain at a time, with BMI2's rotation, which does not overwrite its source. SHA-512's schedule runs
 * beside its rounds, on vectors: those units have nothing else to do. */
#include "kdk_pbkdf2.h"

#if defined(__x86_64__)

#include <immintrin.h>

#define KDK_TARGET __attribute__((target("avx2,bmi,bmi2")))
#define KDK_INLINE KDK_TARGET static inline __attribute__((always_inline))

#define V uint32_t
#define KDK_LANES 1
#include "kdk_pbkdf2_narrow.h"
#undef V

typedef __m128i pair; /* two words of the schedule */

KDK_INLINE pair either(pair x, pair y) { return _mm_xor_si128(x, y); }
KDK_INLINE pair right(pair x, const int n) { return _mm_srli_epi64(x, n); }
KDK_INLINE pair left(pair x, const int n) { return _mm_slli_epi64(x, n); }

/* The small sigmas of FIPS 180-4, section 4.1.3; a rotation is two shifts, or by a whole byte a shuffle. */
KDK_INLINE pair sigma0(pair x)
{
    const pair by8 = _mm_shuffle_epi8(x, _mm_setr_epi8(1, 2, 3, 4, 5, 6, 7, 0, 9, 10, 11, 12, 13, 14, 15, 8));
    return either(either(right(x, 1), left(x, 63)), either(by8, right(x, 7)));
}

KDK_INLINE pair sigma1(pair x)
{
    return either(either(either(right(x, 19), left(x, 45)), either(right(x, 61), left(x, 3))), right(x, 6));
}

/* Words t and t + 1 from the sixteen before them, of which `w[i]` holds the first two. */
KDK_INLINE pair scheduled(const pair *w, const int i)
{
    const pair w15 = _mm_alignr_epi8(w[(i + 1) % 8], w[i], 8);
    const pair w7 = _mm_alignr_epi8(w[(i + 5) % 8], w[(i + 4) % 8], 8);
    return _mm_add_epi64(_mm_add_epi64(w[i], w7), _mm_add_epi64(sigma0(w15), sigma1(w[(i + 7) % 8])));
}

KDK_INLINE uint64_t rotated(uint64_t x, const int n) { return x >> n | x << (64 - n); }

/* Round r; `differ` is b ^ c, and a ^ b afterwards, which is the next round's. */
KDK_INLINE void sha512_round(uint64_t *s, const int r, uint64_t word, uint64_t *differ)
{
    const int a = (80 - r) % 8, b = (a + 1) % 8, d = (a + 3) % 8;
    const int e = (a + 4) % 8, f = (a + 5) % 8, g = (a + 6) % 8, h = (a + 7) % 8;
    const uint64_t sum1 = rotated(s[e], 14) ^ rotated(s[e], 18) ^ rotated(s[e], 41);
    const uint64_t sum0 = rotated(s[a], 28) ^ rotated(s[a], 34) ^ rotated(s[a], 39);
    const uint64_t next = s[a] ^ s[b], majority = (next & *differ) ^ s[b];
    const uint64_t t = s[h] + word + ((s[e] & s[f]) + (~s[e] & s[g])) + sum1;
    *differ = next;
    s[d] += t;
    s[h] = t + (sum0 + majority);
}

KDK_INLINE pair constants(const int r) { return _mm_loadu_si128((const pair *)(kdk_sha512_k + r)); }

/* Hash the digest in `s` from the state `begin`, into `s`. */
KDK_INLINE void mixed_compress(const uint64_t *begin, uint64_t *s)
{
    uint64_t words[16], differ = begin[1] ^ begin[2];
    pair w[8];

    for (int i = 0; i < 4; i++)
        w[i] = _mm_set_epi64x((long long)s[2 * i + 1], (long long)s[2 * i]);
    w[4] = _mm_set_epi64x(0, (long long)0x8000000000000000);
    w[5] = w[6] = _mm_setzero_si128();
    w[7] = _mm_set_epi64x(8 * (128 + 64), 0);
    for (int i = 0; i < 8; i++) {
        _mm_storeu_si128((pair *)(words + 2 * i), _mm_add_epi64(w[i], constants(2 * i)));
        s[i] = begin[i];
    }
    _Pragma("GCC unroll 40") for (int r = 0; r < 80; r += 2)
    {
        const int i = r / 2 % 8;
        sha512_round(s, r, words[2 * i], &differ);
        sha512_round(s, r + 1, words[2 * i + 1], &differ);
        if (r < 64) {
            w[i] = scheduled(w, i);
            _mm_storeu_si128((pair *)(words + 2 * i), _mm_add_epi64(w[i], constants(r + 16)));
        }
    }
    for (int i = 0; i < 8; i++)
        s[i] += begin[i];
}

KDK_TARGET static void iterate_sha512(const struct kdk_pbkdf2_pads *pads, struct kdk_pbkdf2_chain *chains,
                                      size_t count, uint32_t iterations)
{
    for (; count; count--, chains++) {
        uint64_t last[8], sum[8];
        memcpy(last, chains->last.wide, sizeof last);
        memcpy(sum, chains->sum.wide, sizeof sum);
        for (uint32_t left = iterations; left; left--) {
            mixed_compress(pads->inner.wide, last);
            mixed_compress(pads->outer.wide, last);
            for (int i = 0; i < 8; i++)
                sum[i] ^= last[i];
        }
        memcpy(chains->last.wide, last, sizeof last);
        memcpy(chains->sum.wide, sum, sizeof sum);
    }
}

static const struct kdk_pbkdf2_ops tier_table = {{iterate_sha1, iterate_sha256, iterate_sha512}};

const struct kdk_pbkdf2_ops *const kdk_pbkdf2_bmi2 = &tier_table;

#else

const struct kdk_pbkdf2_ops *const kdk_pbkdf2_bmi2 = NULL;

#endif
