/* The portable tier: AES bitsliced, so that neither a branch nor an address ever depends on a secret.
 *
 * A slice is a vector of 64-bit lanes, each with one bit of every byte of four blocks; eight slices are a state. Bit 16·row + 4·column +
 * block of a lane belongs to that block's byte in that row and column (FIPS 197, 3.4). The compiler lowers the vectors to what the
 * baseline of the architecture has (SSE2, NEON), or to plain words. */
#include "kdk_aesxts.h"

#include "kdk_wipe.h"

#define LANES 2
#define BLOCKS (4 * LANES)
typedef uint64_t slice __attribute__((vector_size(8 * LANES)));
typedef slice state[8]; /* lowest bit first */

#define INLINE static inline __attribute__((always_inline))
#define EACH_SLICE _Pragma("GCC unroll 8") for (int i = 0; i < 8; i++)

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

/* Transposes an 8 × 8 bit matrix in every byte column: bit j of byte m of word k becomes bit k of byte m of word j. Its own inverse. */
INLINE void transpose(state q)
{
#define SWAP(a, b, mask, n)                                                                                                        \
    do {                                                                                                                           \
        const slice moved = ((q[a] >> n) ^ q[b]) & mask;                                                                           \
        q[b] ^= moved;                                                                                                             \
        q[a] ^= moved << n;                                                                                                        \
    } while (0)
    const uint64_t m1 = 0x5555555555555555, m2 = 0x3333333333333333, m4 = 0x0f0f0f0f0f0f0f0f;
    SWAP(0, 1, m1, 1); SWAP(2, 3, m1, 1); SWAP(4, 5, m1, 1); SWAP(6, 7, m1, 1);
    SWAP(0, 2, m2, 2); SWAP(1, 3, m2, 2); SWAP(4, 6, m2, 2); SWAP(5, 7, m2, 2);
    SWAP(0, 4, m4, 4); SWAP(1, 5, m4, 4); SWAP(2, 6, m4, 4); SWAP(3, 7, m4, 4);
#undef SWAP
}

/* The four bytes of a column, two places apart. */
INLINE slice spread(slice column)
{
    column = (column | column << 16) & 0x0000ffff0000ffff;
    return (column | column << 8) & 0x00ff00ff00ff00ff;
}

INLINE slice gather(slice bytes)
{
    bytes &= 0x00ff00ff00ff00ff;
    bytes = (bytes | bytes >> 8) & 0x0000ffff0000ffff;
    return (bytes | bytes >> 16) & 0x00000000ffffffff;
}

/* Blocks as pairs of words (columns 0 and 1, columns 2 and 3), lane by lane, to slices. */
INLINE void to_slices(state q, const slice low[4], const slice high[4])
{
    _Pragma("GCC unroll 4") for (int b = 0; b < 4; b++)
    {
        q[b] = spread(low[b] & 0xffffffff) | spread(high[b] & 0xffffffff) << 8;
        q[b + 4] = spread(low[b] >> 32) | spread(high[b] >> 32) << 8;
    }
    transpose(q);
}

INLINE void from_slices(state q, slice low[4], slice high[4])
{
    transpose(q);
    _Pragma("GCC unroll 4") for (int b = 0; b < 4; b++)
    {
        low[b] = gather(q[b]) | gather(q[b + 4]) << 32;
        high[b] = gather(q[b] >> 8) | gather(q[b + 4] >> 8) << 32;
    }
}

/* SubBytes as a circuit of 32 ANDs (Boyar and Peralta, "A new combinational logic minimization technique with applications to
 * cryptology", 2010). Their bit 0 is the highest. */
INLINE void sub_bytes(state q)
{
    const slice x0 = q[7], x1 = q[6], x2 = q[5], x3 = q[4], x4 = q[3], x5 = q[2], x6 = q[1], x7 = q[0];
    const slice y14 = x3 ^ x5, y13 = x0 ^ x6, y9 = x0 ^ x3, y8 = x0 ^ x5, t0 = x1 ^ x2;
    const slice y1 = t0 ^ x7, y4 = y1 ^ x3, y12 = y13 ^ y14, y2 = y1 ^ x0, y5 = y1 ^ x6, y3 = y5 ^ y8;
    const slice t1 = x4 ^ y12, y15 = t1 ^ x5, y20 = t1 ^ x1, y6 = y15 ^ x7, y10 = y15 ^ t0, y11 = y20 ^ y9;
    const slice y7 = x7 ^ y11, y17 = y10 ^ y11, y19 = y10 ^ y8, y16 = t0 ^ y11, y21 = y13 ^ y16, y18 = x0 ^ y16;

    const slice t2 = y12 & y15, t4 = (y3 & y6) ^ t2, t6 = (y4 & x7) ^ t2;
    const slice t7 = y13 & y16, t9 = (y5 & y1) ^ t7, t11 = (y2 & y7) ^ t7;
    const slice t12 = y9 & y11, t14 = (y14 & y17) ^ t12, t16 = (y8 & y10) ^ t12;
    const slice t21 = t4 ^ t14 ^ y20, t22 = t6 ^ t16 ^ y19, t23 = t9 ^ t14 ^ y21, t24 = t11 ^ t16 ^ y18;
    const slice t25 = t21 ^ t22, t26 = t21 & t23, t27 = t24 ^ t26, t29 = (t25 & t27) ^ t22;
    const slice t30 = t23 ^ t24, t31 = t22 ^ t26, t33 = (t31 & t30) ^ t24, t34 = t23 ^ t33, t35 = t27 ^ t33;
    const slice t36 = t24 & t35, t37 = t36 ^ t34, t38 = t27 ^ t36, t40 = t25 ^ (t29 & t38);
    const slice t41 = t40 ^ t37, t42 = t29 ^ t33, t43 = t29 ^ t40, t44 = t33 ^ t37, t45 = t42 ^ t41;

    const slice z0 = t44 & y15, z1 = t37 & y6, z2 = t33 & x7, z3 = t43 & y16, z4 = t40 & y1, z5 = t29 & y7;
    const slice z6 = t42 & y11, z7 = t45 & y17, z8 = t41 & y10, z9 = t44 & y12, z10 = t37 & y3, z11 = t33 & y4;
    const slice z12 = t43 & y13, z13 = t40 & y5, z14 = t29 & y2, z15 = t42 & y9, z16 = t45 & y14, z17 = t41 & y8;

    const slice t46 = z15 ^ z16, t48 = z5 ^ z13, t53 = z0 ^ z3, t54 = z6 ^ z7, t57 = z2 ^ z12 ^ t53;
    const slice t58 = z4 ^ t46, t59 = z3 ^ t54, t60 = t46 ^ t57, t62 = z7 ^ z8 ^ t58, t63 = z9 ^ z10 ^ t58;
    const slice t64 = z4 ^ t59, t65 = z14 ^ t57 ^ t62, t66 = z1 ^ t63, s3 = t53 ^ t66;
    q[7] = t59 ^ t63;
    q[6] = t64 ^ ~s3;
    q[5] = z16 ^ z17 ^ ~(t64 ^ t65);
    q[4] = s3;
    q[3] = z2 ^ z5 ^ t66;
    q[2] = z10 ^ z11 ^ t65;
    q[1] = z12 ^ t48 ^ ~t62;
    q[0] = t48 ^ ~t60;
}

/* The inverse of SubBytes' affine map (FIPS 197, 5.3.2). */
INLINE void undo_affine(state q)
{
    state p;
    EACH_SLICE p[i] = q[(i + 2) % 8] ^ q[(i + 5) % 8] ^ q[(i + 7) % 8];
    p[0] = ~p[0];
    p[2] = ~p[2];
    EACH_SLICE q[i] = p[i];
}

/* SubBytes is affine ∘ inversion, and inversion is its own inverse: so the circuit between two inverse affine maps undoes it. */
INLINE void inv_sub_bytes(state q)
{
    undo_affine(q);
    sub_bytes(q);
    undo_affine(q);
}

INLINE void shift_rows(state q)
{
    EACH_SLICE
    {
        const slice x = q[i];
        q[i] = (x & 0x000000000000ffff) | (x >> 4 & 0x000000000fff0000) | (x << 12 & 0x00000000f0000000) |
               (x >> 8 & 0x000000ff00000000) | (x << 8 & 0x0000ff0000000000) | (x >> 12 & 0x000f000000000000) |
               (x << 4 & 0xfff0000000000000);
    }
}

INLINE void inv_shift_rows(state q)
{
    EACH_SLICE
    {
        const slice x = q[i];
        q[i] = (x & 0x000000000000ffff) | (x << 4 & 0x00000000fff00000) | (x >> 12 & 0x00000000000f0000) |
               (x << 8 & 0x0000ff0000000000) | (x >> 8 & 0x000000ff00000000) | (x << 12 & 0xf000000000000000) |
               (x >> 4 & 0x0fff000000000000);
    }
}

#define ROWS(x, n) ((x) >> (16 * (n)) | (x) << (64 - 16 * (n)))

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
INLINE void mix_columns(state q)
{
    state next, sum, twice;
    EACH_SLICE next[i] = ROWS(q[i], 1);
    EACH_SLICE sum[i] = q[i] ^ next[i];
    times_x(twice, sum);
    EACH_SLICE q[i] = twice[i] ^ next[i] ^ ROWS(sum[i], 2);
}

/* InvMixColumns is MixColumns after a[i] ^= 4·(a[i] ^ a[i+2]). */
INLINE void inv_mix_columns(state q)
{
    state sum, twice;
    EACH_SLICE sum[i] = q[i] ^ ROWS(q[i], 2);
    times_x(twice, sum);
    times_x(sum, twice);
    EACH_SLICE q[i] ^= sum[i];
    mix_columns(q);
}

INLINE void add_round_key(state q, const uint8_t *schedule, unsigned round)
{
    const slice *key = (const slice *)(const void *)(schedule + (size_t)round * 8 * sizeof(slice));
    EACH_SLICE q[i] ^= key[i];
}

static void cipher(const uint8_t *schedule, unsigned rounds, slice low[4], slice high[4])
{
    state q;
    to_slices(q, low, high);
    add_round_key(q, schedule, 0);
    for (unsigned r = 1; r < rounds; r++) {
        sub_bytes(q);
        shift_rows(q);
        mix_columns(q);
        add_round_key(q, schedule, r);
    }
    sub_bytes(q);
    shift_rows(q);
    add_round_key(q, schedule, rounds);
    from_slices(q, low, high);
}

static void inv_cipher(const uint8_t *schedule, unsigned rounds, slice low[4], slice high[4])
{
    state q;
    to_slices(q, low, high);
    add_round_key(q, schedule, rounds);
    for (unsigned r = rounds - 1; r > 0; r--) {
        inv_shift_rows(q);
        inv_sub_bytes(q);
        add_round_key(q, schedule, r);
        inv_mix_columns(q);
    }
    inv_shift_rows(q);
    inv_sub_bytes(q);
    add_round_key(q, schedule, 0);
    from_slices(q, low, high);
}

/* FIPS 197, 5.2, with the S-box circuit in place of a table. Words are little-endian: RotWord is a rotation to the right. */
static uint32_t sub_word(uint32_t word)
{
    slice low[4] = {{word}}, high[4] = {{0}};
    state q;
    to_slices(q, low, high);
    sub_bytes(q);
    from_slices(q, low, high);
    return (uint32_t)low[0][0];
}

static void expand(uint8_t *schedule, const uint8_t *key, size_t key_bytes)
{
    const size_t words = key_bytes / 4;
    const unsigned rounds = (unsigned)words + 6;
    uint64_t pairs[30];
    uint32_t w[60], rcon = 1;
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
    for (size_t r = 0; r <= rounds; r++) {
        slice low[4], high[4];
        state q;
        pairs[2 * r] = w[4 * r] | (uint64_t)w[4 * r + 1] << 32;
        pairs[2 * r + 1] = w[4 * r + 2] | (uint64_t)w[4 * r + 3] << 32;
        for (int b = 0; b < 4; b++)
            for (int lane = 0; lane < LANES; lane++) {
                low[b][lane] = pairs[2 * r];
                high[b][lane] = pairs[2 * r + 1];
            }
        to_slices(q, low, high);
        memcpy(schedule + r * sizeof q, q, sizeof q);
        kdk_wipe(q, sizeof q);
        kdk_wipe(low, sizeof low);
        kdk_wipe(high, sizeof high);
    }
    kdk_wipe(w, sizeof w);
    kdk_wipe(pairs, sizeof pairs);
}

/* What the functions above left below this frame. */
static __attribute__((noinline)) void burn_stack(void)
{
    uint8_t below[2048];
    kdk_wipe(below, sizeof below);
}

static void init(struct kdk_aesxts_ctx *ctx, const uint8_t *key, size_t key_bytes)
{
    _Static_assert(sizeof(state) * (KDK_AESXTS_MAX_ROUNDS + 1) <= KDK_AESXTS_SCHEDULE_BYTES, "the schedule does not fit");
    expand(ctx->encrypt, key, key_bytes / 2);
    expand(ctx->tweak, key + key_bytes / 2, key_bytes / 2);
    burn_stack();
}

/* The tweaks of BLOCKS sectors, encrypted side by side, are enough for many batches. */
struct tweaks {
    uint64_t low[BLOCKS], high[BLOCKS];
};

static void encrypt_sector_numbers(const struct kdk_aesxts_ctx *ctx, const struct kdk_aesxts_run *run, uint64_t iv, struct tweaks *t)
{
    slice low[4], high[4];
    for (int n = 0; n < BLOCKS; n++) {
        low[n % 4][n / 4] = (iv + (uint64_t)n * run->iv_step) & run->iv_mask;
        high[n % 4][n / 4] = run->high;
    }
    cipher(ctx->tweak, ctx->rounds, low, high);
    for (int n = 0; n < BLOCKS; n++) {
        t->low[n] = low[n % 4][n / 4];
        t->high[n] = high[n % 4][n / 4];
    }
    kdk_wipe(low, sizeof low);
    kdk_wipe(high, sizeof high);
}

/* A batch is the next BLOCKS blocks of the run, whatever sectors they belong to: short sectors leave no slot unused. */
INLINE void crypt_run(const struct kdk_aesxts_ctx *ctx, const struct kdk_aesxts_run *run, const int decrypt)
{
    const uint8_t *src = run->src;
    uint8_t *dst = run->dst;
    const size_t blocks_per_sector = run->sector_size / 16;
    size_t blocks_left = run->sectors * blocks_per_sector, block = 0;
    uint64_t iv = run->iv, low_tweak = 0, high_tweak = 0;
    unsigned sector = BLOCKS; /* the next of the encrypted tweaks; all used up */
    struct tweaks encrypted;
    slice low[4], high[4], low_tweaks[4], high_tweaks[4];

    while (blocks_left) {
        const int count = blocks_left < BLOCKS ? (int)blocks_left : BLOCKS;
        for (int n = 0; n < BLOCKS; n++) {
            const int used = n < count;
            if (used && block == 0) {
                if (sector == BLOCKS) {
                    encrypt_sector_numbers(ctx, run, iv, &encrypted);
                    iv += BLOCKS * run->iv_step;
                    sector = 0;
                }
                low_tweak = encrypted.low[sector];
                high_tweak = encrypted.high[sector];
                sector++;
            }
            low_tweaks[n % 4][n / 4] = low_tweak;
            high_tweaks[n % 4][n / 4] = high_tweak;
            low[n % 4][n / 4] = used ? load_le64(src + 16 * n) : 0;
            high[n % 4][n / 4] = used ? load_le64(src + 16 * n + 8) : 0;
            const uint64_t carry = 0x87 & -(high_tweak >> 63);
            high_tweak = high_tweak << 1 | low_tweak >> 63;
            low_tweak = low_tweak << 1 ^ carry;
            if (++block == blocks_per_sector)
                block = 0;
        }
        for (int b = 0; b < 4; b++) {
            low[b] ^= low_tweaks[b];
            high[b] ^= high_tweaks[b];
        }
        (decrypt ? inv_cipher : cipher)(ctx->encrypt, ctx->rounds, low, high);
        for (int b = 0; b < 4; b++) {
            low[b] ^= low_tweaks[b];
            high[b] ^= high_tweaks[b];
        }
        for (int n = 0; n < count; n++) {
            store_le64(dst + 16 * n, low[n % 4][n / 4]);
            store_le64(dst + 16 * n + 8, high[n % 4][n / 4]);
        }
        src += 16 * (size_t)count;
        dst += 16 * (size_t)count;
        blocks_left -= (size_t)count;
    }
    kdk_wipe(&encrypted, sizeof encrypted);
    kdk_wipe(low, sizeof low);
    kdk_wipe(high, sizeof high);
    kdk_wipe(low_tweaks, sizeof low_tweaks);
    kdk_wipe(high_tweaks, sizeof high_tweaks);
    burn_stack();
}

static void encrypt_run(const struct kdk_aesxts_ctx *ctx, const struct kdk_aesxts_run *run)
{
    crypt_run(ctx, run, 0);
}

static void decrypt_run(const struct kdk_aesxts_ctx *ctx, const struct kdk_aesxts_run *run)
{
    crypt_run(ctx, run, 1);
}

static const struct kdk_aesxts_ops table = {init, encrypt_run, decrypt_run};
const struct kdk_aesxts_ops *const kdk_aesxts_portable = &table;
