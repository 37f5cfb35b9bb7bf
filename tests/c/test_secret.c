/* kdk_secret.c by itself, so that the sanitizers see it without Python. Exits 0, or aborts at the first wrong
 * fact. */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kdk_secret.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer) && !defined(__SANITIZE_ADDRESS__)
#define __SANITIZE_ADDRESS__ 1 /* clang's name for it is another */
#endif
#endif

#define CHECK(fact)                                                                                          \
    do {                                                                                                     \
        if (!(fact)) {                                                                                       \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #fact);                               \
            abort();                                                                                         \
        }                                                                                                    \
    } while (0)

static int all_zero(const unsigned char *data, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (data[i])
            return 0;
    return 1;
}

static void every_length_is_mapped_usable_and_wiped(void)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    const size_t lengths[] = {0, 1, 64, page - 1, page, page + 1, 3 * page};

    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        const size_t length = lengths[i];
        kdk_secret secret;

        CHECK(kdk_secret_map(&secret, length) == 0);
        CHECK(secret.length == length && secret.mapped > length && secret.mapped % page == 0);
        CHECK(kdk_secret_intact(&secret) && all_zero(secret.data, length));
        memset(secret.data, 0xFF, length);
        CHECK(kdk_secret_intact(&secret));
        CHECK(kdk_secret_random(&secret) == 0);
        CHECK(length < 16 || !all_zero(secret.data + length - 16, 16));
        kdk_secret_wipe(&secret);
        CHECK(!kdk_secret_intact(&secret) && all_zero(secret.data, secret.mapped));
        unsigned char *const data = secret.data;
        const size_t mapped = secret.mapped;
        kdk_secret_unmap(&secret);
        CHECK(!secret.data && !kdk_secret_intact(&secret) && msync(data, mapped, MS_ASYNC) != 0);
        kdk_secret_wipe(&secret);
        kdk_secret_unmap(&secret);
    }
}

static void impossible_lengths_are_refused(void)
{
    const size_t lengths[] = {SIZE_MAX, SIZE_MAX / 2, SIZE_MAX / 2 - 4096};

    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        kdk_secret secret;
        CHECK(kdk_secret_map(&secret, lengths[i]) != 0 && !secret.data);
        kdk_secret_unmap(&secret);
    }
}

static void a_forked_child_sees_zeros_and_knows(void)
{
    kdk_secret secret;

    CHECK(kdk_secret_map(&secret, 64) == 0);
    memset(secret.data, 'k', 64);
    const pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0)
        _exit(all_zero(secret.data, secret.mapped) && !kdk_secret_intact(&secret) ? 0 : 1);
    int status;
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    CHECK(kdk_secret_intact(&secret) && secret.data[63] == 'k');
    kdk_secret_unmap(&secret);
}

/* The buffers are exactly as long as the operation says, so that a byte too far is an error of the sanitizer.
 */
static void xor_and_equal_touch_their_bytes_and_no_others(void)
{
    for (size_t n = 0; n <= 130; n++) {
        unsigned char *a = malloc(n + !n), *b = malloc(n + !n), *c = malloc(n + !n);
        CHECK(a && b && c);
        for (size_t i = 0; i < n; i++) {
            a[i] = (unsigned char)(i * 7 + 1);
            b[i] = (unsigned char)(i * 13 + 5);
            c[i] = a[i];
        }
        kdk_secret_xor(a, b, n);
        for (size_t i = 0; i < n; i++)
            CHECK(a[i] == (unsigned char)(c[i] ^ b[i]));
        kdk_secret_xor(a, b, n);
        CHECK(kdk_secret_equal(a, c, n) == 1);
        for (size_t bit = 0; bit < 8 * n; bit++) {
            a[bit / 8] ^= (unsigned char)(1u << bit % 8);
            CHECK(kdk_secret_equal(a, c, n) == 0);
            a[bit / 8] ^= (unsigned char)(1u << bit % 8);
        }
        kdk_secret_xor(a, a, n);
        CHECK(all_zero(a, n));
        free(a);
        free(b);
        free(c);
    }
}

static void copying_is_exact(void)
{
    unsigned char a[300], b[300];

    for (size_t n = 0; n <= 256; n++) {
        memset(a, 0xa5, sizeof a);
        for (size_t i = 0; i < sizeof b; i++)
            b[i] = (unsigned char)(i * 7 + n);
        kdk_secret_copy(a + 3, b + 1, n);
        CHECK(a[2] == 0xa5 && a[3 + n] == 0xa5);
        CHECK(memcmp(a + 3, b + 1, n) == 0);
    }
}

/* What memcpy and hash functions leave there would otherwise be spilled to the stack some time later. */
static void a_wipe_clears_the_vector_registers(void)
{
#if defined(__x86_64__)
    kdk_secret secret;
    unsigned char before[16], after[16];

    memset(before, 0x5a, sizeof before);
    CHECK(kdk_secret_map(&secret, 64) == 0);
    __asm__ __volatile__("movdqu %0, %%xmm9" : : "m"(before) : "xmm9");
    kdk_secret_wipe(&secret);
    __asm__ __volatile__("movdqu %%xmm9, %0" : "=m"(after));
    CHECK(all_zero(after, sizeof after));
    if (__builtin_cpu_supports("avx512f")) {
        __asm__ __volatile__("vmovdqu32 %0, %%xmm27"
                             :
                             : "m"(before)); /* nothing here is compiled to use it */
        kdk_secret_wipe(&secret);
        __asm__ __volatile__("vmovdqu32 %%xmm27, %0" : "=m"(after));
        CHECK(all_zero(after, sizeof after));
    }
    kdk_secret_unmap(&secret);
#endif
}

static void a_refused_lock_is_not_an_error(void)
{
    kdk_secret secret;
    const struct rlimit none = {0, 0};

    (void)prctl(PR_CAPBSET_DROP, 14, 0, 0, 0);
    CHECK(setrlimit(RLIMIT_MEMLOCK, &none) == 0);
    if (geteuid() == 0)
        CHECK(setuid(65534) == 0);
    CHECK(kdk_secret_map(&secret, 64) == 0);
    CHECK(kdk_secret_intact(&secret));
#ifndef __SANITIZE_ADDRESS__ /* it makes every mlock succeed without doing anything */
    CHECK(!secret.locked);
#endif
    kdk_secret_unmap(&secret);
}

int main(void)
{
    every_length_is_mapped_usable_and_wiped();
    impossible_lengths_are_refused();
    a_forked_child_sees_zeros_and_knows();
    xor_and_equal_touch_their_bytes_and_no_others();
    copying_is_exact();
    a_wipe_clears_the_vector_registers();
    a_refused_lock_is_not_an_error();
    CHECK(kdk_secret_undumpable_process() == 0 && prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0);
    return 0;
}
