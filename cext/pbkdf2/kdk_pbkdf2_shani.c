/* The SHA instructions of x86-64, for SHA-1 and SHA-256. One chain waits for each instruction's latency, so
 * several run side by side. */
#include "kdk_pbkdf2.h"

#if defined(__x86_64__)

#include <immintrin.h>

#define KDK_TARGET __attribute__((target("sha,sse4.1,ssse3")))
#define KDK_INLINE KDK_TARGET static inline __attribute__((always_inline))
#define KDK_UNROLL _Pragma("GCC unroll 20")
#define MOST 4 /* chains side by side */

typedef __m128i V;

/* The instructions want the state of SHA-256 as (f, e, b, a) and (h, g, d, c), the lowest word first, and
 * that of SHA-1 as (d, c, b, a) and e in the highest word. A message goes in as it is, but for SHA-1 with its
 * words reversed. */
struct state {
    V first, second;
};

KDK_INLINE V reversed(V x) { return _mm_shuffle_epi32(x, 0x1b); }

KDK_INLINE struct state sha256_load(const uint32_t *h)
{
    const V abcd = reversed(_mm_loadu_si128((const V *)h)),
            efgh = reversed(_mm_loadu_si128((const V *)(h + 4)));
    return (struct state){_mm_unpackhi_epi64(efgh, abcd), _mm_unpacklo_epi64(efgh, abcd)};
}

KDK_INLINE void sha256_message(const struct state *s, V *w)
{
    const V abef = reversed(s->first), cdgh = reversed(s->second);
    w[0] = _mm_unpacklo_epi64(abef, cdgh);
    w[1] = _mm_unpackhi_epi64(abef, cdgh);
    w[2] = _mm_setr_epi32((int)0x80000000, 0, 0, 0);
    w[3] = _mm_setr_epi32(0, 0, 0, 8 * (64 + 32));
}

KDK_INLINE void sha256_store(const struct state *s, uint32_t *h)
{
    V w[4];
    sha256_message(s, w);
    _mm_storeu_si128((V *)h, w[0]);
    _mm_storeu_si128((V *)(h + 4), w[1]);
}

/* Hash one block a chain, the words of `w`, from the state `begin` into `s`. */
KDK_INLINE void sha256_rounds(const struct state *begin, struct state *s, V (*w)[4], const int chains)
{
    for (int n = 0; n < chains; n++)
        s[n] = *begin;
    KDK_UNROLL
    for (int r = 0; r < 16; r++) {
        const int now = r % 4, one = (r + 1) % 4, two = (r + 2) % 4, three = (r + 3) % 4;
        const V k = _mm_loadu_si128((const V *)(kdk_sha256_k + 4 * r));
        for (int n = 0; n < chains; n++) {
            if (r >= 4) {
                const V sum = _mm_add_epi32(_mm_sha256msg1_epu32(w[n][now], w[n][one]),
                                            _mm_alignr_epi8(w[n][three], w[n][two], 4));
                w[n][now] = _mm_sha256msg2_epu32(sum, w[n][three]);
            }
            const V x = _mm_add_epi32(w[n][now], k);
            s[n].second = _mm_sha256rnds2_epu32(s[n].second, s[n].first, x);
            s[n].first = _mm_sha256rnds2_epu32(s[n].first, s[n].second, _mm_shuffle_epi32(x, 0x0e));
        }
    }
    for (int n = 0; n < chains; n++) {
        s[n].first = _mm_add_epi32(s[n].first, begin->first);
        s[n].second = _mm_add_epi32(s[n].second, begin->second);
    }
}

/* Hash the digests in `s` from the state `begin`, into `s`. */
KDK_INLINE void sha256_compress(const struct state *begin, struct state *s, const int chains)
{
    V w[MOST][4];

    for (int n = 0; n < chains; n++)
        sha256_message(s + n, w[n]);
    sha256_rounds(begin, s, w, chains);
}

KDK_TARGET static void sha256_blocks(uint32_t *h, const uint8_t *data, size_t blocks)
{
    const V big_endian = _mm_setr_epi8(3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12);
    struct state s = sha256_load(h);

    for (; blocks; blocks--, data += 64) {
        const struct state begin = s;
        V w[1][4];
        for (int i = 0; i < 4; i++)
            w[0][i] = _mm_shuffle_epi8(_mm_loadu_si128((const V *)(data + 16 * i)), big_endian);
        sha256_rounds(&begin, &s, w, 1);
    }
    sha256_store(&s, h);
}

KDK_INLINE struct state sha1_load(const uint32_t *h)
{
    return (struct state){reversed(_mm_loadu_si128((const V *)h)), _mm_setr_epi32(0, 0, 0, (int)h[4])};
}

KDK_INLINE void sha1_store(const struct state *s, uint32_t *h)
{
    _mm_storeu_si128((V *)h, reversed(s->first));
    h[4] = (uint32_t)_mm_extract_epi32(s->second, 3);
}

KDK_INLINE void sha1_message(const struct state *s, V *w)
{
    w[0] = s->first;
    w[1] = _mm_insert_epi32(s->second, (int)0x80000000, 2);
    w[2] = _mm_setzero_si128();
    w[3] = _mm_setr_epi32(8 * (64 + 20), 0, 0, 0);
}

/* Four rounds; the function and constant of round 20 · f on. */
KDK_INLINE V sha1_rounds(V abcd, V e, const int f)
{
    switch (f) {
    case 0: return _mm_sha1rnds4_epu32(abcd, e, 0);
    case 1: return _mm_sha1rnds4_epu32(abcd, e, 1);
    case 2: return _mm_sha1rnds4_epu32(abcd, e, 2);
    default: return _mm_sha1rnds4_epu32(abcd, e, 3);
    }
}

KDK_INLINE void sha1_compress(const struct state *begin, struct state *s, const int chains)
{
    V w[MOST][4], before[MOST];

    for (int n = 0; n < chains; n++) {
        sha1_message(s + n, w[n]);
        s[n] = *begin;
    }
    KDK_UNROLL
    for (int r = 0; r < 20; r++) {
        const int now = r % 4, one = (r + 1) % 4, two = (r + 2) % 4, three = (r + 3) % 4;
        for (int n = 0; n < chains; n++) {
            if (r >= 4) {
                const V sum = _mm_xor_si128(_mm_sha1msg1_epu32(w[n][now], w[n][one]), w[n][two]);
                w[n][now] = _mm_sha1msg2_epu32(sum, w[n][three]);
            }
            /* e comes of the `a` of four rounds ago. */
            const V e = r ? _mm_sha1nexte_epu32(before[n], w[n][now]) : _mm_add_epi32(s[n].second, w[n][now]);
            before[n] = s[n].first;
            s[n].first = sha1_rounds(s[n].first, e, r / 5);
        }
    }
    for (int n = 0; n < chains; n++) {
        s[n].first = _mm_add_epi32(s[n].first, begin->first);
        s[n].second = _mm_sha1nexte_epu32(before[n], begin->second);
    }
}

KDK_INLINE void compress(const struct state *begin, struct state *s, const int chains,
                         const enum kdk_sha_kind kind)
{
    if (kind == KDK_SHA1)
        sha1_compress(begin, s, chains);
    else
        sha256_compress(begin, s, chains);
}

KDK_INLINE struct state load(const union kdk_sha_state *h, const enum kdk_sha_kind kind)
{
    return kind == KDK_SHA1 ? sha1_load(h->narrow) : sha256_load(h->narrow);
}

KDK_INLINE void store(const struct state *s, union kdk_sha_state *h, const enum kdk_sha_kind kind)
{
    if (kind == KDK_SHA1)
        sha1_store(s, h->narrow);
    else
        sha256_store(s, h->narrow);
}

KDK_INLINE void iterate_some(const struct kdk_pbkdf2_pads *pads, struct kdk_pbkdf2_chain *chains,
                             uint32_t iterations, const int count, const enum kdk_sha_kind kind)
{
    const struct state inner = load(&pads->inner, kind), outer = load(&pads->outer, kind);
    struct state last[MOST], sum[MOST];

    for (int n = 0; n < count; n++) {
        last[n] = load(&chains[n].last, kind);
        sum[n] = load(&chains[n].sum, kind);
    }
    for (; iterations; iterations--) {
        compress(&inner, last, count, kind);
        compress(&outer, last, count, kind);
        for (int n = 0; n < count; n++) {
            sum[n].first = _mm_xor_si128(sum[n].first, last[n].first);
            sum[n].second = _mm_xor_si128(sum[n].second, last[n].second);
        }
    }
    for (int n = 0; n < count; n++) {
        store(last + n, &chains[n].last, kind);
        store(sum + n, &chains[n].sum, kind);
    }
}

KDK_INLINE void iterate(const struct kdk_pbkdf2_pads *pads, struct kdk_pbkdf2_chain *chains, size_t count,
                        uint32_t iterations, const enum kdk_sha_kind kind)
{
    for (; count >= 4; count -= 4, chains += 4)
        iterate_some(pads, chains, iterations, 4, kind);
    for (; count >= 2; count -= 2, chains += 2)
        iterate_some(pads, chains, iterations, 2, kind);
    if (count)
        iterate_some(pads, chains, iterations, 1, kind);
}

KDK_TARGET static void iterate_sha1(const struct kdk_pbkdf2_pads *pads, struct kdk_pbkdf2_chain *chains,
                                    size_t count, uint32_t iterations)
{
    iterate(pads, chains, count, iterations, KDK_SHA1);
}

KDK_TARGET static void iterate_sha256(const struct kdk_pbkdf2_pads *pads, struct kdk_pbkdf2_chain *chains,
                                      size_t count, uint32_t iterations)
{
    iterate(pads, chains, count, iterations, KDK_SHA256);
}

static const struct kdk_pbkdf2_ops tier_table = {{iterate_sha1, iterate_sha256, NULL}};

const struct kdk_pbkdf2_ops *const kdk_pbkdf2_shani = &tier_table;
kdk_sha256_blocks *const kdk_sha256_blocks_shani = sha256_blocks;

#else

const struct kdk_pbkdf2_ops *const kdk_pbkdf2_shani = NULL;
kdk_sha256_blocks *const kdk_sha256_blocks_shani = NULL;

#endif
