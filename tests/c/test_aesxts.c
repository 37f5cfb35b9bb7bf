/* The AES-XTS engine by itself: on every tier that runs here, also under sanitizers and emulators. Exits 0,
 * or aborts at the first wrong fact.
 *
 *   test_aesxts tiers             prints each tier's name and status, and the default
 *   test_aesxts check FILE STEP   FILE: vectors, one a line, as hex: key tweak plaintext ciphertext; STEP: of
 * the misalignments 1 … 63 to try, every how many-th (1: all). Prints the tiers that were checked. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "check.h"
#include "kdk_aesxts.h"

#define ARENA ((size_t)1 << 17)
#define WIDTH 64 /* the widest vector of any tier */
#define LARGEST 65536
#define CANARY 0xa5

/* Readable and writable bytes between two pages that are neither. */
static uint8_t *guarded(void)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    uint8_t *const at = mmap(NULL, ARENA + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(at != MAP_FAILED && mprotect(at + page, ARENA, PROT_READ | PROT_WRITE) == 0);
    return at + page;
}

static uint8_t *source, *target;
static struct kdk_aesxts_ctx fast, oracle;

static uint64_t random64(void)
{
    static uint64_t state =
        0x9e3779b97f4a7c15; /* the same numbers in every run; xorshift64 (Marsaglia, 2003) */
    state ^= state << 13;
    state ^= state >> 7;
    return state ^= state << 17;
}

static void fill_random(uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        p[i] = (uint8_t)(random64() >> 32);
}

static int all_are(const uint8_t *p, size_t n, uint8_t value)
{
    return n == 0 || (p[0] == value && memcmp(p, p + 1, n - 1) == 0);
}

static enum kdk_aesxts_status call(const struct kdk_aesxts_ctx *ctx, struct kdk_aesxts_run run,
                                   const uint8_t *src, uint8_t *dst, size_t n, int decrypt)
{
    run.src = src;
    run.dst = dst;
    return (decrypt ? kdk_aesxts_decrypt : kdk_aesxts_encrypt)(ctx, &run, n);
}

/* From one place to another and in place, `back` bytes before the inaccessible page: the right bytes, and no
 * others. */
static void crypts_to(const struct kdk_aesxts_ctx *ctx, struct kdk_aesxts_run run, const uint8_t *given,
                      const uint8_t *expected, size_t n, int decrypt, size_t src_back, size_t dst_back)
{
    uint8_t *const src = source + ARENA - n - src_back, *const dst = target + ARENA - n - dst_back;
    const size_t before = WIDTH;

    memcpy(src, given, n);
    memset(dst - before, CANARY, before + n + dst_back);
    CHECK(call(ctx, run, src, dst, n, decrypt) == KDK_AESXTS_OK);
    CHECK(memcmp(dst, expected, n) == 0 && memcmp(src, given, n) == 0);
    CHECK(all_are(dst - before, before, CANARY) && all_are(dst + n, dst_back, CANARY));

    memcpy(dst, given, n);
    CHECK(call(ctx, run, dst, dst, n, decrypt) == KDK_AESXTS_OK);
    CHECK(memcmp(dst, expected, n) == 0);
    CHECK(all_are(dst - before, before, CANARY) && all_are(dst + n, dst_back, CANARY));
}

static size_t from_hex(const char *hex, uint8_t *out, size_t room)
{
    const size_t n = strlen(hex) / 2;
    CHECK(n <= room && strlen(hex) % 2 == 0);
    for (size_t i = 0; i < n; i++) {
        unsigned byte;
        CHECK(sscanf(hex + 2 * i, "%2x", &byte) == 1);
        out[i] = (uint8_t)byte;
    }
    return n;
}

static void every_vector_holds(int tier, const char *path, size_t step)
{
    static char key_hex[256], tweak_hex[64], plain_hex[2048], cipher_hex[2048];
    uint8_t key[64], tweak[16], plain[512], cipher[512];
    size_t vectors = 0;
    FILE *const file = fopen(path, "r");

    CHECK(file);
    while (fscanf(file, "%255s %63s %2047s %2047s", key_hex, tweak_hex, plain_hex, cipher_hex) == 4) {
        const size_t key_bytes = from_hex(key_hex, key, sizeof key);
        const size_t n = from_hex(plain_hex, plain, sizeof plain);
        struct kdk_aesxts_run run = {.sector_size = n, .iv_step = 1, .iv_mask = UINT64_MAX};

        CHECK(from_hex(tweak_hex, tweak, sizeof tweak) == 16 &&
              from_hex(cipher_hex, cipher, sizeof cipher) == n);
        for (size_t i = 0; i < 8; i++) {
            run.iv |= (uint64_t)tweak[i] << 8 * i;
            run.high |= (uint64_t)tweak[8 + i] << 8 * i;
        }
        CHECK(kdk_aesxts_init(&fast, key, key_bytes, tier) == KDK_AESXTS_OK);
        const int equal_halves = memcmp(key, key + key_bytes / 2, key_bytes / 2) == 0;
        if (equal_halves)
            CHECK(call(&fast, run, plain, target, n, 0) == KDK_AESXTS_ERR_EQUAL_HALVES);
        for (int decrypt = equal_halves; decrypt < 2; decrypt++) {
            const uint8_t *const given = decrypt ? cipher : plain, *const expected = decrypt ? plain : cipher;
            crypts_to(&fast, run, given, expected, n, decrypt, 0, 0);
            for (size_t off = 1 + vectors % step; off < WIDTH;
                 off += step) /* over the vectors, each comes up */
                crypts_to(&fast, run, given, expected, n, decrypt, off, off * 37 % WIDTH);
        }
        vectors++;
    }
    CHECK(feof(file) && vectors > 0);
    fclose(file);
}

/* Against the portable tier, which is given one sector at a time. */
static void a_run_is_as_portable_does_its_sectors(int tier, size_t sector_size, size_t sectors)
{
    static uint8_t given[LARGEST], expected[LARGEST];
    const size_t n = sectors * sector_size;
    const size_t key_bytes = random64() & 1 ? 64 : 32;
    uint8_t key[64];
    struct kdk_aesxts_run run = {
        .sector_size = sector_size, .iv = random64() >> (random64() & 31), .iv_mask = UINT64_MAX};

    run.iv_step = random64() & 1 ? 1 : 8;
    run.iv >>= 1; /* so that it goes nowhere near its end */
    if (random64() & 1)
        run.iv = 0x100000000 - random64() % 140 * run.iv_step;
    if (random64() & 1)
        run.iv_mask = 0xffffffff;
    fill_random(key, sizeof key);
    fill_random(given, n);
    CHECK(kdk_aesxts_init(&fast, key, key_bytes, tier) == KDK_AESXTS_OK);
    CHECK(kdk_aesxts_init(&oracle, key, key_bytes, KDK_AESXTS_PORTABLE) == KDK_AESXTS_OK);
    for (int decrypt = 0; decrypt < 2; decrypt++) {
        for (size_t i = 0; i < sectors; i++) {
            struct kdk_aesxts_run one = run;
            one.iv = (run.iv + i * run.iv_step) & run.iv_mask;
            one.iv_mask = UINT64_MAX;
            CHECK(call(&oracle, one, given + i * sector_size, expected + i * sector_size, sector_size,
                       decrypt) == KDK_AESXTS_OK);
        }
        crypts_to(&fast, run, given, expected, n, decrypt, 0, 0);
        crypts_to(&fast, run, given, expected, n, decrypt, random64() % WIDTH, random64() % WIDTH);
    }
}

static void every_size_around_a_width_is_as_portable(int tier)
{
    static const size_t blocks[] = {1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65};

    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
        for (size_t sectors = 1; sectors <= 5; sectors++)
            a_run_is_as_portable_does_its_sectors(tier, 16 * blocks[i], sectors);
    for (size_t sectors = 1; sectors <= 130; sectors++) {
        a_run_is_as_portable_does_its_sectors(tier, 16, sectors);
        a_run_is_as_portable_does_its_sectors(tier, 48, sectors);
    }
    static const size_t around_groups[] = {31, 32, 33, 63, 64, 65, 127, 128};
    for (size_t i = 0; i < sizeof around_groups / sizeof *around_groups; i++)
        a_run_is_as_portable_does_its_sectors(tier, 512, around_groups[i]);
    a_run_is_as_portable_does_its_sectors(tier, 4096, 16);
    a_run_is_as_portable_does_its_sectors(tier, 65536, 1);
    for (int i = 0; i < 100; i++) {
        const size_t sector_size = 16 + 16 * (random64() % 64);
        a_run_is_as_portable_does_its_sectors(tier, sector_size, 1 + random64() % (32768 / sector_size));
    }
}

static void bad_arguments_write_nothing(int tier)
{
    const struct kdk_aesxts_run good = {.sector_size = 512, .iv_step = 1, .iv_mask = UINT64_MAX};
    struct {
        struct kdk_aesxts_run run;
        size_t bytes;
        size_t dst_at;
        enum kdk_aesxts_status status;
    } cases[] = {
        {good, 511, 4096, KDK_AESXTS_ERR_LENGTH},      {good, 1025, 4096, KDK_AESXTS_ERR_LENGTH},
        {good, 1024, 1, KDK_AESXTS_ERR_OVERLAP},       {good, 1024, 16, KDK_AESXTS_ERR_OVERLAP},
        {good, 1024, 1023, KDK_AESXTS_ERR_OVERLAP},    {good, 512, 4096, KDK_AESXTS_ERR_SECTOR_SIZE},
        {good, 512, 4096, KDK_AESXTS_ERR_SECTOR_SIZE}, {good, 512, 4096, KDK_AESXTS_ERR_SECTOR_SIZE},
        {good, 512, 4096, KDK_AESXTS_ERR_SECTOR_SIZE}, {good, 512, 4096, KDK_AESXTS_ERR_IV_STEP},
        {good, 1024, 4096, KDK_AESXTS_ERR_IV_RANGE},   {good, 1024, 4096, KDK_AESXTS_ERR_IV_RANGE},
    };
    uint8_t key[64];

    cases[5].run.sector_size = 0;
    cases[6].run.sector_size = 8;
    cases[7].run.sector_size = 24;
    cases[8].run.sector_size = 65552;
    cases[9].run.iv_step = 0;
    cases[10].run.iv = UINT64_MAX;
    cases[11].run.iv = (uint64_t)1 << 63, cases[11].run.iv_step = (uint64_t)1 << 63;
    fill_random(key, sizeof key);
    memset(source, CANARY, ARENA);
    for (int decrypt = 0; decrypt < 2; decrypt++) {
        CHECK(kdk_aesxts_init(&fast, key, sizeof key, tier) == KDK_AESXTS_OK);
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
            uint8_t *const low = source, *const high = source + cases[i].dst_at;
            CHECK(call(&fast, cases[i].run, low, high, cases[i].bytes, decrypt) == cases[i].status);
            CHECK(call(&fast, cases[i].run, high, low, cases[i].bytes, decrypt) == cases[i].status);
            CHECK(all_are(source, ARENA, CANARY));
        }
        CHECK(call(&fast, good, source, source, 0, decrypt) == KDK_AESXTS_OK &&
              all_are(source, ARENA, CANARY));
        kdk_aesxts_wipe(&fast);
        CHECK(call(&fast, good, source, source, 512, decrypt) == KDK_AESXTS_ERR_CLOSED &&
              all_are(source, ARENA, CANARY));
    }
    memcpy(key + 32, key, 32);
    CHECK(kdk_aesxts_init(&fast, key, sizeof key, tier) == KDK_AESXTS_OK);
    CHECK(call(&fast, good, source, source, 512, 0) == KDK_AESXTS_ERR_EQUAL_HALVES &&
          all_are(source, ARENA, CANARY));
    CHECK(call(&fast, good, source, source, 512, 1) == KDK_AESXTS_OK && !all_are(source, 512, CANARY));
}

static void the_schedule_is_zero_after_wipe_and_after_a_refused_init(int tier)
{
    const uint8_t *const bytes = (const uint8_t *)&fast;
    uint8_t key[64];

    fill_random(key, sizeof key);
    for (size_t size = 32; size <= 64; size += 32) {
        CHECK(kdk_aesxts_init(&fast, key, size, tier) == KDK_AESXTS_OK && fast.tier == tier &&
              fast.rounds == (size == 32 ? 10 : 14));
        CHECK(!all_are(fast.encrypt, 16 * (fast.rounds + 1), 0) &&
              !all_are(fast.tweak, 16 * (fast.rounds + 1), 0));
        kdk_aesxts_wipe(&fast);
        CHECK(all_are(bytes, sizeof fast, 0));
    }
    static const size_t sizes[] = {0, 16, 31, 33, 48, 63, 65};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        CHECK(kdk_aesxts_init(&fast, key, 64, tier) == KDK_AESXTS_OK);
        CHECK(kdk_aesxts_init(&fast, key, sizes[i], tier) == KDK_AESXTS_ERR_KEY_SIZE &&
              all_are(bytes, sizeof fast, 0));
    }
    CHECK(kdk_aesxts_init(&fast, key, 64, tier) == KDK_AESXTS_OK);
    CHECK(kdk_aesxts_init(&fast, key, 64, KDK_AESXTS_TIERS) == KDK_AESXTS_ERR_UNKNOWN_TIER &&
          all_are(bytes, sizeof fast, 0));
}

static const char *status_name(enum kdk_aesxts_status status)
{
    return status == KDK_AESXTS_OK               ? "usable"
           : status == KDK_AESXTS_ERR_NOT_BUILT  ? "not built"
           : status == KDK_AESXTS_ERR_NOT_ON_CPU ? "not on this cpu"
                                                 : "?";
}

static void tell_tiers(void)
{
    static const uint8_t key[64] = {1};
    for (int tier = 0; tier < KDK_AESXTS_TIERS; tier++) {
        CHECK(kdk_aesxts_init(&fast, key, sizeof key, tier) == kdk_aesxts_tier_status(tier));
        printf("%s: %s\n", kdk_aesxts_tier_name(tier), status_name(kdk_aesxts_tier_status(tier)));
    }
    CHECK(kdk_aesxts_init(&fast, key, sizeof key, -1) == KDK_AESXTS_OK &&
          fast.tier == kdk_aesxts_default_tier());
    CHECK(!kdk_aesxts_tier_name(-1) && !kdk_aesxts_tier_name(KDK_AESXTS_TIERS));
    CHECK(kdk_aesxts_tier_status(-1) == KDK_AESXTS_ERR_UNKNOWN_TIER &&
          kdk_aesxts_tier_status(KDK_AESXTS_TIERS) == KDK_AESXTS_ERR_UNKNOWN_TIER);
    printf("default: %s\n", kdk_aesxts_tier_name(kdk_aesxts_default_tier()));
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "tiers") == 0) {
        tell_tiers();
        return 0;
    }
    if (argc != 4 || strcmp(argv[1], "check") != 0)
        return 2;
    source = guarded();
    target = guarded();
    for (int tier = 0; tier < KDK_AESXTS_TIERS; tier++) {
        if (kdk_aesxts_tier_status(tier) != KDK_AESXTS_OK)
            continue;
        tier_at_work = kdk_aesxts_tier_name(tier);
        every_vector_holds(tier, argv[2], (size_t)atoi(argv[3]));
        every_size_around_a_width_is_as_portable(tier);
        bad_arguments_write_nothing(tier);
        the_schedule_is_zero_after_wipe_and_after_a_refused_init(tier);
        printf("%s\n", tier_at_work);
    }
    return 0;
}
