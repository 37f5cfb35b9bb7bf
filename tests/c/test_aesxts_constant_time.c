/* Whether a branch or an address of the portable tier depends on a secret, asked of valgrind's memcheck: keys
 * and data are declared undefined, and memcheck reports every jump and every access that undefined bits
 * decide (Langley's "ctgrind").
 *
 *   test_aesxts_constant_time engine    the portable tier; memcheck must be silent
 *   test_aesxts_constant_time branch    \  a control each: memcheck must speak,
 *   test_aesxts_constant_time lookup    /  or the silence above says nothing */
#include <string.h>
#include <valgrind/memcheck.h>

#include "kdk_aesxts.h"

#define BYTES (130 * 48)

static uint8_t key[64], data[BYTES], other[BYTES];
static struct kdk_aesxts_ctx ctx;
static volatile int sink;

static void make_secret(void *p, size_t n) { (void)VALGRIND_MAKE_MEM_UNDEFINED(p, n); }

/* Asked without memcheck taking the question for a use. */
static int is_secret(const uint8_t *p)
{
    uint8_t undefined[16] = {0};
    return VALGRIND_GET_VBITS(p, undefined, sizeof undefined) == 1 && undefined[0] == 0xff &&
           undefined[15] == 0xff;
}

static int engine(size_t key_bytes)
{
    struct kdk_aesxts_run run = {
        .src = data, .dst = other, .sector_size = 48, .iv = 5, .iv_step = 1, .iv_mask = UINT64_MAX};

    for (size_t i = 0; i < sizeof key; i++)
        key[i] = (uint8_t)(i * 7);
    make_secret(key, sizeof key);
    make_secret(data, sizeof data);
    if (kdk_aesxts_init(&ctx, key, key_bytes, KDK_AESXTS_PORTABLE) != KDK_AESXTS_OK)
        return 2;
    /* Whether the halves are equal is told to everyone: by the refusal. */
    (void)VALGRIND_MAKE_MEM_DEFINED(&ctx.equal_halves, sizeof ctx.equal_halves);
    if (kdk_aesxts_encrypt(&ctx, &run, BYTES) != KDK_AESXTS_OK)
        return 3;
    run.src = run.dst = other; /* in place */
    if (kdk_aesxts_decrypt(&ctx, &run, BYTES) != KDK_AESXTS_OK)
        return 4;
    /* That the secrets went through: the output is as undefined as they were. */
    if (!is_secret(other) || !is_secret(ctx.encrypt) || !is_secret(ctx.tweak))
        return 5;
    (void)VALGRIND_MAKE_MEM_DEFINED(other, sizeof other);
    (void)VALGRIND_MAKE_MEM_DEFINED(data, sizeof data);
    const int same = memcmp(other, data, sizeof other) == 0;
    kdk_aesxts_wipe(&ctx);
    return same ? 0 : 6;
}

int main(int argc, char **argv)
{
    if (argc != 2)
        return 2;
    if (strcmp(argv[1], "engine") == 0) {
        const int status = engine(64);
        return status ? status : engine(32);
    }
    make_secret(key, sizeof key);
    if (strcmp(argv[1], "branch") == 0 && key[3] == 1)
        sink = 1;
    if (strcmp(argv[1], "lookup") == 0)
        sink = data[key[3]];
    return 0;
}
