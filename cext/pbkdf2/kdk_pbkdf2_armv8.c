/* The SHA instructions of ARMv8: SHA-1 and SHA-256, and where the processor has them those for SHA-512. */
#include "kdk_pbkdf2.h"

#if defined(__aarch64__)

#include <arm_neon.h>

#define KDK_TARGET __attribute__((target("+crypto")))
#define KDK_TARGET_512 __attribute__((target("arch=armv8.2-a+sha3")))
#define KDK_UNROLL _Pragma("GCC unroll 40")
#define INLINE KDK_TARGET static inline __attribute__((always_inline))
#define INLINE_512 KDK_TARGET_512 static inline __attribute__((always_inline))
#define MOST 4 /* chains side by side */

typedef uint32x4_t V;

struct state {
    V abcd, efgh; /* of SHA-1, e in the first word */
};

INLINE void sha256_compress(const struct state *begin, struct state *s, const int chains)
{
    V w[MOST][4];

    for (int n = 0; n < chains; n++) {
        w[n][0] = s[n].abcd;
        w[n][1] = s[n].efgh;
        w[n][2] = (V){0x80000000, 0, 0, 0};
        w[n][3] = (V){0, 0, 0, 8 * (64 + 32)};
        s[n] = *begin;
    }
    KDK_UNROLL
    for (int r = 0; r < 16; r++) {
        const int now = r % 4, one = (r + 1) % 4, two = (r + 2) % 4, three = (r + 3) % 4;
        const V k = vld1q_u32(kdk_sha256_k + 4 * r);
        for (int n = 0; n < chains; n++) {
            if (r >= 4)
                w[n][now] = vsha256su1q_u32(vsha256su0q_u32(w[n][now], w[n][one]), w[n][two], w[n][three]);
            const V x = vaddq_u32(w[n][now], k), before = s[n].abcd;
            s[n].abcd = vsha256hq_u32(before, s[n].efgh, x);
            s[n].efgh = vsha256h2q_u32(s[n].efgh, before, x);
        }
    }
    for (int n = 0; n < chains; n++) {
        s[n].abcd = vaddq_u32(s[n].abcd, begin->abcd);
        s[n].efgh = vaddq_u32(s[n].efgh, begin->efgh);
    }
}

INLINE V sha1_rounds(V abcd, uint32_t e, V w, const int f)
{
    return f == 0 ? vsha1cq_u32(abcd, e, w) : f == 2 ? vsha1mq_u32(abcd, e, w) : vsha1pq_u32(abcd, e, w);
}

INLINE void sha1_compress(const struct state *begin, struct state *s, const int chains)
{
    static const uint32_t constants[4] = {0x5a827999, 0x6ed9eba1, 0x8f1bbcdc, 0xca62c1d6};
    V w[MOST][4];
    uint32_t e[MOST];

    for (int n = 0; n < chains; n++) {
        w[n][0] = s[n].abcd;
        w[n][1] = (V){vgetq_lane_u32(s[n].efgh, 0), 0x80000000, 0, 0};
        w[n][2] = vdupq_n_u32(0);
        w[n][3] = (V){0, 0, 0, 8 * (64 + 20)};
        s[n] = *begin;
        e[n] = vgetq_lane_u32(begin->efgh, 0);
    }
    KDK_UNROLL
    for (int r = 0; r < 20; r++) {
        const int now = r % 4, one = (r + 1) % 4, two = (r + 2) % 4, three = (r + 3) % 4;
        const V k = vdupq_n_u32(constants[r / 5]);
        for (int n = 0; n < chains; n++) {
            if (r >= 4)
                w[n][now] = vsha1su1q_u32(vsha1su0q_u32(w[n][now], w[n][one], w[n][two]), w[n][three]);
            const uint32_t next = vsha1h_u32(vgetq_lane_u32(s[n].abcd, 0));
            s[n].abcd = sha1_rounds(s[n].abcd, e[n], vaddq_u32(w[n][now], k), r / 5);
            e[n] = next;
        }
    }
    for (int n = 0; n < chains; n++) {
        s[n].abcd = vaddq_u32(s[n].abcd, begin->abcd);
        s[n].efgh = (V){e[n] + vgetq_lane_u32(begin->efgh, 0), 0, 0, 0};
    }
}

INLINE struct state load(const union kdk_sha_state *h)
{
    return (struct state){vld1q_u32(h->narrow), vld1q_u32(h->narrow + 4)};
}

INLINE void store(const struct state *s, union kdk_sha_state *h)
{
    vst1q_u32(h->narrow, s->abcd);
    vst1q_u32(h->narrow + 4, s->efgh);
}

INLINE void compress(const struct state *begin, struct state *s, const int chains,
                     const enum kdk_sha_kind kind)
{
    if (kind == KDK_SHA1)
        sha1_compress(begin, s, chains);
    else
        sha256_compress(begin, s, chains);
}

INLINE void iterate_some(const struct kdk_pbkdf2_pads *pads, struct kdk_pbkdf2_chain *chains,
                         uint32_t iterations, const int count, const enum kdk_sha_kind kind)
{
    const struct state inner = load(&pads->inner), outer = load(&pads->outer);
    struct state last[MOST], sum[MOST];

    for (int n = 0; n < count; n++) {
        last[n] = load(&chains[n].last);
        sum[n] = load(&chains[n].sum);
    }
    for (; iterations; iterations--) {
        compress(&inner, last, count, kind);
        compress(&outer, last, count, kind);
        for (int n = 0; n < count; n++) {
            sum[n].abcd = veorq_u32(sum[n].abcd, last[n].abcd);
            sum[n].efgh = veorq_u32(sum[n].efgh, last[n].efgh);
        }
    }
    for (int n = 0; n < count; n++) {
        store(last + n, &chains[n].last);
        store(sum + n, &chains[n].sum);
    }
}

INLINE void iterate(const struct kdk_pbkdf2_pads *pads, struct kdk_pbkdf2_chain *chains, size_t count,
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

/* SHA-512 (Arm ARM, SHA512H): two rounds at a time on pairs of words, (a, b), (c, d), (e, f) and (g, h),
 * whose names move on by one pair after each step. */
INLINE_512 void sha512_compress(const uint64x2_t *begin, uint64x2_t *s)
{
    uint64x2_t w[8];

    for (int i = 0; i < 4; i++) {
        w[i] = s[i];
        w[4 + i] = vdupq_n_u64(0);
        s[i] = begin[i];
    }
    w[4] = (uint64x2_t){0x8000000000000000, 0};
    w[7] = (uint64x2_t){0, 8 * (128 + 64)};
    KDK_UNROLL
    for (int r = 0; r < 40; r++) {
        const int now = r % 8, ab = (40 - r) % 4, cd = (ab + 1) % 4, ef = (ab + 2) % 4, gh = (ab + 3) % 4;
        if (r >= 8)
            w[now] = vsha512su1q_u64(vsha512su0q_u64(w[now], w[(r + 1) % 8]), w[(r + 7) % 8],
                                     vextq_u64(w[(r + 4) % 8], w[(r + 5) % 8], 1));
        const uint64x2_t x = vaddq_u64(w[now], vld1q_u64(kdk_sha512_k + 2 * r));
        const uint64x2_t sum = vaddq_u64(vextq_u64(x, x, 1), s[gh]);
        const uint64x2_t t = vsha512hq_u64(sum, vextq_u64(s[ef], s[gh], 1), vextq_u64(s[cd], s[ef], 1));
        s[gh] = vsha512h2q_u64(t, s[cd], s[ab]);
        s[cd] = vaddq_u64(s[cd], t);
    }
    for (int i = 0; i < 4; i++)
        s[i] = vaddq_u64(s[i], begin[i]);
}

INLINE_512 void load_512(uint64x2_t *s, const union kdk_sha_state *h)
{
    for (int i = 0; i < 4; i++)
        s[i] = vld1q_u64(h->wide + 2 * i);
}

KDK_TARGET_512 static void iterate_sha512(const struct kdk_pbkdf2_pads *pads, struct kdk_pbkdf2_chain *chains,
                                          size_t count, uint32_t iterations)
{
    uint64x2_t inner[4], outer[4], last[4], sum[4];

    load_512(inner, &pads->inner);
    load_512(outer, &pads->outer);
    for (; count; count--, chains++) {
        load_512(last, &chains->last);
        load_512(sum, &chains->sum);
        for (uint32_t left = iterations; left; left--) {
            sha512_compress(inner, last);
            sha512_compress(outer, last);
            for (int i = 0; i < 4; i++)
                sum[i] = veorq_u64(sum[i], last[i]);
        }
        for (int i = 0; i < 4; i++) {
            vst1q_u64(chains->last.wide + 2 * i, last[i]);
            vst1q_u64(chains->sum.wide + 2 * i, sum[i]);
        }
    }
}

static const struct kdk_pbkdf2_ops tier_table = {{iterate_sha1, iterate_sha256, iterate_sha512}};

const struct kdk_pbkdf2_ops *const kdk_pbkdf2_armv8 = &tier_table;

#else

const struct kdk_pbkdf2_ops *const kdk_pbkdf2_armv8 = NULL;

#endif
