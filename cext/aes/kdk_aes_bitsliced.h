/* AES bitsliced, for the portable tiers: neither a branch nor an address ever depends on a secret.
 *
 * A state is eight blocks as eight slices, the lowest bit first: bit b of byte p of slice i is bit i of byte
 * p of block b. A slice is seen as four words, one a column (FIPS 197, 3.4), in each of which a byte is a
 * row. So a block is loaded as it lies in memory, a turn of the columns is a shuffle of words, and a turn of
 * the rows a rotation of words. The compiler lowers the vectors to what the baseline of the architecture has
 * (SSE2, NEON), or to plain words.
 *
 * ShiftRows is never done: a state is kept with the ShiftRows of all rounds so far undone, as are the round
 * keys, and MixColumns takes its rows from where they then lie (Adomnicai and Peyrin, "Fixslicing AES-like
 * ciphers", 2021). Four ShiftRows in a row change nothing. */
#ifndef KDK_AES_BITSLICED_H
#define KDK_AES_BITSLICED_H

#include "kdk_aes_sbox.h"
#include "kdk_aes_schedule.h"
#include "kdk_bytes.h"
#include "kdk_wipe.h"

#define BLOCKS 8
#define BATCH_BYTES (16 * BLOCKS)
typedef uint8_t byte_vector __attribute__((vector_size(16)));

#define EACH_SLICE(i) _Pragma("GCC unroll 8") for (int i = 0; i < 8; i++)

#if defined(__clang__)
#define COLUMNS(x, a, b, c, d) __builtin_shufflevector(x, x, a, b, c, d)
#else
#define COLUMNS(x, a, b, c, d) __builtin_shuffle(x, (slice){a, b, c, d})
#endif

/* Bit j of each byte of word k becomes bit k of that byte of word j. Its own inverse. */
INLINE void transpose(state q)
{
#define SWAP(a, b, mask, n)                                                                                  \
    do {                                                                                                     \
        const slice moved = ((q[a] >> n) ^ q[b]) & mask;                                                     \
        q[b] ^= moved;                                                                                       \
        q[a] ^= moved << n;                                                                                  \
    } while (0)
    const uint32_t m1 = 0x55555555, m2 = 0x33333333, m4 = 0x0f0f0f0f;
    SWAP(0, 1, m1, 1);
    SWAP(2, 3, m1, 1);
    SWAP(4, 5, m1, 1);
    SWAP(6, 7, m1, 1);
    SWAP(0, 2, m2, 2);
    SWAP(1, 3, m2, 2);
    SWAP(4, 6, m2, 2);
    SWAP(5, 7, m2, 2);
    SWAP(0, 4, m4, 4);
    SWAP(1, 5, m4, 4);
    SWAP(2, 6, m4, 4);
    SWAP(3, 7, m4, 4);
#undef SWAP
}

/* Every byte from the column n places to the right of its own. */
INLINE slice turn_columns(slice x, const int n)
{
    switch (n % 4) {
    case 1: return COLUMNS(x, 1, 2, 3, 0);
    case 2: return COLUMNS(x, 2, 3, 0, 1);
    case 3: return COLUMNS(x, 3, 0, 1, 2);
    default: return x;
    }
}

/* Every byte from the row below its own, or two below, of the state that the ShiftRows of `round` rounds
 * would give. */
INLINE slice next_row(slice x, const int round)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    x = x << 8 | x >> 24;
#else
    x = x >> 8 | x << 24;
#endif
    return turn_columns(x, round);
}

INLINE slice second_row(slice x, const int round) { return turn_columns(x >> 16 | x << 16, 2 * round); }

/* Multiplication of every byte by x, modulo x^8 + x^4 + x^3 + x + 1. */
INLINE void times_x(state out, const state q)
{
    out[0] = q[7];
    out[1] = q[0] ^ q[7];
    out[2] = q[1];
    out[3] = q[2] ^ q[7];
    out[4] = q[3] ^ q[7];
    out[5] = q[4];
    out[6] = q[5];
    out[7] = q[6];
}

/* Row i becomes 2·(a[i] ^ a[i+1]) ^ a[i+1] ^ a[i+2] ^ a[i+3]. */
INLINE void mix_columns(state q, const int round)
{
    state next, sum, twice;
    EACH_SLICE (i)
        next[i] = next_row(q[i], round);
    EACH_SLICE (i)
        sum[i] = q[i] ^ next[i];
    times_x(twice, sum);
    EACH_SLICE (i)
        q[i] = twice[i] ^ next[i] ^ second_row(sum[i], round);
}

/* InvMixColumns is MixColumns after a[i] ^= 4·(a[i] ^ a[i+2]). */
INLINE void inv_mix_columns(state q, const int round)
{
    state sum, twice;
    EACH_SLICE (i)
        sum[i] = q[i] ^ second_row(q[i], round);
    times_x(twice, sum);
    times_x(sum, twice);
    EACH_SLICE (i)
        q[i] ^= sum[i];
    mix_columns(q, round);
}

/* The ShiftRows of 10 and of 14 rounds are as good as two: rows 1 and 3 turn by half; those of 12 are none.
 * Its own inverse. */
INLINE void settle_rows(state q)
{
    const slice odd_rows =
        (slice)(byte_vector){0, 255, 0, 255, 0, 255, 0, 255, 0, 255, 0, 255, 0, 255, 0, 255};
    EACH_SLICE (i)
        q[i] ^= (q[i] ^ turn_columns(q[i], 2)) & odd_rows;
}

INLINE void add_round_key(state q, const uint8_t *schedule, unsigned round)
{
    const slice *key = (const slice *)(const void *)(schedule + round * sizeof(state));
    EACH_SLICE (i)
        q[i] ^= key[i];
}

/* Rounds 1 to 9, 11 or 13: rows are where they were again after every fourth. */
INLINE void cipher(const uint8_t *schedule, const unsigned rounds, state q)
{
#define ROUND(r, turns)                                                                                      \
    do {                                                                                                     \
        sub_bytes(q);                                                                                        \
        mix_columns(q, turns);                                                                               \
        add_round_key(q, schedule, r);                                                                       \
    } while (0)
    transpose(q);
    add_round_key(q, schedule, 0);
    for (unsigned r = 1;; r += 4) {
        ROUND(r, 1);
        if (r + 1 == rounds)
            break;
        ROUND(r + 1, 2);
        ROUND(r + 2, 3);
        if (r + 3 == rounds)
            break;
        ROUND(r + 3, 0);
    }
#undef ROUND
    sub_bytes(q);
    add_round_key(q, schedule, rounds);
    if (rounds % 4)
        settle_rows(q);
    transpose(q);
}

INLINE void inv_cipher(const uint8_t *schedule, const unsigned rounds, state q)
{
#define ROUND(r, turns)                                                                                      \
    do {                                                                                                     \
        inv_sub_bytes(q);                                                                                    \
        add_round_key(q, schedule, r);                                                                       \
        inv_mix_columns(q, turns);                                                                           \
    } while (0)
    unsigned r = rounds - 1;
    transpose(q);
    if (rounds % 4)
        settle_rows(q);
    add_round_key(q, schedule, rounds);
    if (rounds % 4 == 0) {
        ROUND(r, 3);
        ROUND(r - 1, 2);
        r -= 2;
    }
    for (;; r -= 4) {
        ROUND(r, 1);
        if (r == 1)
            break;
        ROUND(r - 1, 0);
        ROUND(r - 2, 3);
        ROUND(r - 3, 2);
    }
#undef ROUND
    inv_sub_bytes(q);
    add_round_key(q, schedule, 0);
    transpose(q);
}

/* SubWord (FIPS 197, 5.2) through the circuit. */
static uint32_t sub_word(uint32_t word)
{
    state q = {{word}};
    transpose(q);
    sub_bytes(q);
    transpose(q);
    word = q[0][0] ^ 0x63636363;
    kdk_wipe(q, sizeof q);
    return word;
}

/* Round keys as slices, in which all blocks have the same key: every byte is zero or all ones. */
static void expand(uint8_t *schedule, const uint8_t *key, size_t key_bytes)
{
    const unsigned rounds = kdk_aes_rounds(key_bytes);
    uint32_t w[KDK_AES_WORDS];
    uint8_t bytes[16];
    state q;
    for (size_t i = 0; i < key_bytes / 4; i += 2) {
        const uint64_t pair = kdk_load64_le(key + 4 * i);
        w[i] = (uint32_t)pair;
        w[i + 1] = (uint32_t)(pair >> 32);
    }
    KDK_AES_EXPAND(w, key_bytes, sub_word);
    for (unsigned r = 0; r <= rounds; r++) {
        for (unsigned row = 0; row < 4; row++)
            for (unsigned column = 0; column < 4; column++)
                bytes[4 * ((column + r * row) % 4) + row] =
                    (uint8_t)(w[4 * r + column] >> 8 * row ^ (r ? 0x63 : 0));
        byte_vector all;
        memcpy(&all, bytes, 16);
        EACH_SLICE (i)
            q[i] = (slice) - (all >> i & 1);
        memcpy(schedule + r * sizeof q, q, sizeof q);
        kdk_wipe(&all, sizeof all);
    }
    kdk_wipe(w, sizeof w);
    kdk_wipe(bytes, sizeof bytes);
    kdk_wipe(q, sizeof q);
}

_Static_assert(sizeof(state) * (KDK_AES_MAX_ROUNDS + 1) <= KDK_AES_SCHEDULE_BYTES,
               "the schedule does not fit");

/* What the functions called before this one left below their caller's frame: the compiler's spills among it.
 * Twice the deepest of them (gcc 12, clang 14). Whoever calls this must have no secrets in its own frame. */
static __attribute__((noinline)) void burn_stack(void)
{
    uint8_t below[4096];
    kdk_wipe(below, sizeof below);
}

#endif
