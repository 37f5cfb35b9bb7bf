/* The portable tier: AES bitsliced, so that neither a branch nor an address ever depends on a secret.
 *
 * A state is eight blocks as eight slices, the lowest bit first: bit b of byte p of slice i is bit i of byte p of block b. A slice is
 * seen as four words, one a column (FIPS 197, 3.4), in each of which a byte is a row. So a block is loaded as it lies in memory, a
 * turn of the columns is a shuffle of words, and a turn of the rows a rotation of words. The compiler lowers the vectors to what the
 * baseline of the architecture has (SSE2, NEON), or to plain words.
 *
 * ShiftRows is never done: a state is kept with the ShiftRows of all rounds so far undone, as are the round keys, and MixColumns
 * takes its rows from where they then lie (Adomnicai and Peyrin, "Fixslicing AES-like ciphers", 2021). Four ShiftRows in a row change nothing. */
#include "kdk_aesxts.h"

#include "kdk_aesxts_sbox.h"
#include "kdk_wipe.h"

#define BLOCKS 8
#define BATCH_BYTES (16 * BLOCKS)
typedef uint8_t byte_vector __attribute__((vector_size(16)));

#define EACH_SLICE _Pragma("GCC unroll 8") for (int i = 0; i < 8; i++)

#if defined(__clang__)
#define COLUMNS(x, a, b, c, d) __builtin_shufflevector(x, x, a, b, c, d)
#else
#define COLUMNS(x, a, b, c, d) __builtin_shuffle(x, (slice){a, b, c, d})
#endif

INLINE uint64_t load_le64(const uint8_t *p)
{
    uint64_t x;
    memcpy(&x, p, 8);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    x = __builtin_bswap64(x);
#endif
    return x;
}

INLINE void store_le64(uint8_t *p, uint64_t x)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    x = __builtin_bswap64(x);
#endif
    memcpy(p, &x, 8);
}

/* Bit j of each byte of word k becomes bit k of that byte of word j. Its own inverse. */
INLINE void transpose(state q)
{
#define SWAP(a, b, mask, n)                                                                                                        \
    do {                                                                                                                           \
        const slice moved = ((q[a] >> n) ^ q[b]) & mask;                                                                           \
        q[b] ^= moved;                                                                                                             \
        q[a] ^= moved << n;                                                                                                        \
    } while (0)
    const uint32_t m1 = 0x55555555, m2 = 0x33333333, m4 = 0x0f0f0f0f;
    SWAP(0, 1, m1, 1); SWAP(2, 3, m1, 1); SWAP(4, 5, m1, 1); SWAP(6, 7, m1, 1);
    SWAP(0, 2, m2, 2); SWAP(1, 3, m2, 2); SWAP(4, 6, m2, 2); SWAP(5, 7, m2, 2);
    SWAP(0, 4, m4, 4); SWAP(1, 5, m4, 4); SWAP(2, 6, m4, 4); SWAP(3, 7, m4, 4);
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

/* Every byte from the row below its own, or two below, of the state that the ShiftRows of `round` rounds would give. */
INLINE slice next_row(slice x, const int round)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    x = x << 8 | x >> 24;
#else
    x = x >> 8 | x << 24;
#endif
    return turn_columns(x, round);
}

INLINE slice second_row(slice x, const int round)
{
    return turn_columns(x >> 16 | x << 16, 2 * round);
}

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
    EACH_SLICE next[i] = next_row(q[i], round);
    EACH_SLICE sum[i] = q[i] ^ next[i];
    times_x(twice, sum);
    EACH_SLICE q[i] = twice[i] ^ next[i] ^ second_row(sum[i], round);
}

/* InvMixColumns is MixColumns after a[i] ^= 4·(a[i] ^ a[i+2]). */
INLINE void inv_mix_columns(state q, const int round)
{
    state sum, twice;
    EACH_SLICE sum[i] = q[i] ^ second_row(q[i], round);
    times_x(twice, sum);
    times_x(sum, twice);
    EACH_SLICE q[i] ^= sum[i];
    mix_columns(q, round);
}

/* The ShiftRows of both numbers of rounds, 10 and 14, are two: rows 1 and 3 turn by half. Its own inverse. */
INLINE void settle_rows(state q)
{
    const slice odd_rows = (slice)(byte_vector){0, 255, 0, 255, 0, 255, 0, 255, 0, 255, 0, 255, 0, 255, 0, 255};
    EACH_SLICE q[i] ^= (q[i] ^ turn_columns(q[i], 2)) & odd_rows;
}

INLINE void add_round_key(state q, const uint8_t *schedule, unsigned round)
{
    const slice *key = (const slice *)(const void *)(schedule + round * sizeof(state));
    EACH_SLICE q[i] ^= key[i];
}

/* Rounds 1 to 9 or 13: rows are where they were again after every fourth. */
INLINE void cipher(const uint8_t *schedule, const unsigned rounds, state q)
{
#define ROUND(r, turns)                                                                                                            \
    do {                                                                                                                           \
        sub_bytes(q);                                                                                                              \
        mix_columns(q, turns);                                                                                                     \
        add_round_key(q, schedule, r);                                                                                             \
    } while (0)
    transpose(q);
    add_round_key(q, schedule, 0);
    for (unsigned r = 1;; r += 4) {
        ROUND(r, 1);
        if (r + 1 == rounds)
            break;
        ROUND(r + 1, 2);
        ROUND(r + 2, 3);
        ROUND(r + 3, 0);
    }
#undef ROUND
    sub_bytes(q);
    add_round_key(q, schedule, rounds);
    settle_rows(q);
    transpose(q);
}

INLINE void inv_cipher(const uint8_t *schedule, const unsigned rounds, state q)
{
#define ROUND(r, turns)                                                                                                            \
    do {                                                                                                                           \
        inv_sub_bytes(q);                                                                                                          \
        add_round_key(q, schedule, r);                                                                                             \
        inv_mix_columns(q, turns);                                                                                                 \
    } while (0)
    transpose(q);
    settle_rows(q);
    add_round_key(q, schedule, rounds);
    for (unsigned r = rounds - 1;; r -= 4) {
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

/* FIPS 197, 5.2. Words are little-endian: RotWord is a rotation to the right. Then the slices, in which all blocks have the same key:
 * every byte is zero or all ones. */
static void expand(uint8_t *schedule, const uint8_t *key, size_t key_bytes)
{
    const size_t words = key_bytes / 4;
    const unsigned rounds = (unsigned)words + 6;
    uint32_t w[60], rcon = 1;
    uint8_t bytes[16];
    state q;
    for (size_t i = 0; i < words; i += 2) {
        const uint64_t pair = load_le64(key + 4 * i);
        w[i] = (uint32_t)pair;
        w[i + 1] = (uint32_t)(pair >> 32);
    }
    for (size_t i = words; i < 4 * ((size_t)rounds + 1); i++) {
        uint32_t word = w[i - 1];
        if (i % words == 0) {
            word = sub_word(word >> 8 | word << 24) ^ rcon;
            rcon = (rcon << 1) ^ (0x11b & -(rcon >> 7));
        } else if (words == 8 && i % 8 == 4) {
            word = sub_word(word);
        }
        w[i] = w[i - words] ^ word;
    }
    for (unsigned r = 0; r <= rounds; r++) {
        for (unsigned row = 0; row < 4; row++)
            for (unsigned column = 0; column < 4; column++)
                bytes[4 * ((column + r * row) % 4) + row] = (uint8_t)(w[4 * r + column] >> 8 * row ^ (r ? 0x63 : 0));
        byte_vector all;
        memcpy(&all, bytes, 16);
        EACH_SLICE q[i] = (slice)-(all >> i & 1);
        memcpy(schedule + r * sizeof q, q, sizeof q);
        kdk_wipe(&all, sizeof all);
    }
    kdk_wipe(w, sizeof w);
    kdk_wipe(bytes, sizeof bytes);
    kdk_wipe(q, sizeof q);
}

/* What the functions called before this one left below their caller's frame: the compiler's spills among it. Twice the deepest
 * of them (gcc 12, clang 14). Whoever calls this must have no secrets in its own frame. */
static __attribute__((noinline)) void burn_stack(void)
{
    uint8_t below[4096];
    kdk_wipe(below, sizeof below);
}

static __attribute__((noinline)) void init_inner(struct kdk_aesxts_ctx *ctx, const uint8_t *key, size_t key_bytes)
{
    _Static_assert(sizeof(state) * (KDK_AESXTS_MAX_ROUNDS + 1) <= KDK_AESXTS_SCHEDULE_BYTES, "the schedule does not fit");
    expand(ctx->encrypt, key, key_bytes / 2);
    expand(ctx->tweak, key + key_bytes / 2, key_bytes / 2);
}

static void init(struct kdk_aesxts_ctx *ctx, const uint8_t *key, size_t key_bytes)
{
    init_inner(ctx, key, key_bytes);
    burn_stack();
}

/* The tweaks of BLOCKS sectors, encrypted side by side, are enough for many batches. */
struct scratch {
    _Alignas(16) uint8_t sectors[BATCH_BYTES];
    _Alignas(16) uint8_t tweaks[BATCH_BYTES];
    _Alignas(16) uint8_t part[BATCH_BYTES]; /* a batch that is not full */
};

static __attribute__((noinline)) void encrypt_sector_numbers(const struct kdk_aesxts_ctx *ctx, const struct kdk_aesxts_run *run, uint64_t iv,
                                                             uint8_t *out)
{
    state q;
    for (unsigned n = 0; n < BLOCKS; n++) {
        store_le64(out + 16 * n, (iv + n * run->iv_step) & run->iv_mask);
        store_le64(out + 16 * n + 8, run->high);
    }
    memcpy(q, out, sizeof q);
    cipher(ctx->tweak, ctx->rounds, q);
    memcpy(out, q, sizeof q);
    kdk_wipe(q, sizeof q);
}

INLINE void crypt_batch(const struct kdk_aesxts_ctx *ctx, const int decrypt, uint8_t *dst, const uint8_t *src, const uint8_t *tweaks)
{
    state q, t;
    memcpy(q, src, sizeof q);
    memcpy(t, tweaks, sizeof t);
    EACH_SLICE q[i] ^= t[i];
    if (decrypt)
        inv_cipher(ctx->encrypt, ctx->rounds, q);
    else
        cipher(ctx->encrypt, ctx->rounds, q);
    memcpy(t, tweaks, sizeof t);
    EACH_SLICE q[i] ^= t[i];
    memcpy(dst, q, sizeof q);
}

/* A batch is the next BLOCKS blocks of the run, whatever sectors they belong to: short sectors leave no slot unused. */
INLINE void crypt_run(const struct kdk_aesxts_ctx *ctx, const struct kdk_aesxts_run *run, const int decrypt)
{
    struct scratch scratch;
    const uint8_t *src = run->src;
    uint8_t *dst = run->dst;
    const size_t blocks_per_sector = run->sector_size / 16;
    size_t blocks_left = run->sectors * blocks_per_sector, block = 0;
    uint64_t iv = run->iv, low_tweak = 0, high_tweak = 0;
    unsigned sector = BLOCKS; /* the next of the encrypted tweaks; all used up */

    while (blocks_left) {
        const size_t count = blocks_left < BLOCKS ? blocks_left : BLOCKS;
        for (size_t n = 0; n < count; n++) {
            if (block == 0) {
                if (sector == BLOCKS) {
                    encrypt_sector_numbers(ctx, run, iv, scratch.sectors);
                    iv += BLOCKS * run->iv_step;
                    sector = 0;
                }
                low_tweak = load_le64(scratch.sectors + 16 * sector);
                high_tweak = load_le64(scratch.sectors + 16 * sector + 8);
                sector++;
            }
            store_le64(scratch.tweaks + 16 * n, low_tweak);
            store_le64(scratch.tweaks + 16 * n + 8, high_tweak);
            const uint64_t carry = 0x87 & -(high_tweak >> 63);
            high_tweak = high_tweak << 1 | low_tweak >> 63;
            low_tweak = low_tweak << 1 ^ carry;
            if (++block == blocks_per_sector)
                block = 0;
        }
        const size_t bytes = 16 * count;
        const int full = count == BLOCKS;
        if (!full) {
            memset(scratch.part, 0, sizeof scratch.part);
            memset(scratch.tweaks + bytes, 0, BATCH_BYTES - bytes);
            memcpy(scratch.part, src, bytes);
        }
        crypt_batch(ctx, decrypt, full ? dst : scratch.part, full ? src : scratch.part, scratch.tweaks);
        if (!full)
            memcpy(dst, scratch.part, bytes);
        src += bytes;
        dst += bytes;
        blocks_left -= count;
    }
    kdk_wipe(&scratch, sizeof scratch);
}

static __attribute__((noinline)) void encrypt_inner(const struct kdk_aesxts_ctx *c, const struct kdk_aesxts_run *r) { crypt_run(c, r, 0); }
static __attribute__((noinline)) void decrypt_inner(const struct kdk_aesxts_ctx *c, const struct kdk_aesxts_run *r) { crypt_run(c, r, 1); }

static void encrypt_run(const struct kdk_aesxts_ctx *ctx, const struct kdk_aesxts_run *run)
{
    encrypt_inner(ctx, run);
    burn_stack();
}

static void decrypt_run(const struct kdk_aesxts_ctx *ctx, const struct kdk_aesxts_run *run)
{
    decrypt_inner(ctx, run);
    burn_stack();
}

static const struct kdk_aesxts_ops table = {init, encrypt_run, decrypt_run};
const struct kdk_aesxts_ops *const kdk_aesxts_portable = &table;
