/* The tier for every processor, and the oracle of the others: words of 64 bits, one at a time. */
#include "kdk_argon2.h"

#define KDK_TARGET
#define KDK_INLINE static inline __attribute__((always_inline))
#define KDK_VECTORS KDK_ARGON2_WORDS
#define KDK_FLIGHT 1

typedef uint64_t V;

KDK_INLINE V add(V a, V b) { return a + b; }
KDK_INLINE V multiply_low(V a, V b) { return (a & 0xffffffff) * (b & 0xffffffff); }
KDK_INLINE V xor_(V a, V b) { return a ^ b; }
KDK_INLINE V load(const uint64_t *block, int i) { return block[i]; }
KDK_INLINE void store(uint64_t *block, int i, V x) { block[i] = x; }
KDK_INLINE uint64_t first_word(V x) { return x; }
KDK_INLINE V rotate32(V a) { return a >> 32 | a << 32; }
KDK_INLINE V rotate24(V a) { return a >> 24 | a << 40; }
KDK_INLINE V rotate16(V a) { return a >> 16 | a << 48; }
KDK_INLINE V rotate63(V a) { return a >> 63 | a << 1; }

#include "kdk_argon2_mix.h"

/* The permutation P (section 3.6) of eight pairs of words, `apart` words from each other: 2 in a row, 16 in a
 * column. */
static void permute(V *z, int apart)
{
    V v[16];
    for (int i = 0; i < 16; i++)
        v[i] = z[(i >> 1) * apart + (i & 1)];
    mix(v, v + 4, v + 8, v + 12);
    mix(v + 1, v + 5, v + 9, v + 13);
    mix(v + 2, v + 6, v + 10, v + 14);
    mix(v + 3, v + 7, v + 11, v + 15);
    mix(v, v + 5, v + 10, v + 15);
    mix(v + 1, v + 6, v + 11, v + 12);
    mix(v + 2, v + 7, v + 8, v + 13);
    mix(v + 3, v + 4, v + 9, v + 14);
    for (int i = 0; i < 16; i++)
        z[(i >> 1) * apart + (i & 1)] = v[i];
}

static void permute_first(V *z)
{
    for (int row = 0; row < 8; row++)
        permute(z + 16 * row, 2);
    permute(z, 16);
}

static void permute_rest(V *z)
{
    for (int column = 1; column < 8; column++)
        permute(z + 2 * column, 16);
}

#include "kdk_argon2_body.h"

const struct kdk_argon2_ops *const kdk_argon2_portable = &tier_table;
