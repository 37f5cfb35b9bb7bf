/* The Argon2 engine by itself: on every tier that runs here, also under sanitizers and emulators. Exits 0, or
 * aborts at the first wrong fact.
 *
 *   test_argon2 tiers       prints each tier's name and status, and the default
 *   test_argon2 check FILE  FILE: vectors, one a line: type version passes memory lanes, then in hex, "-" for
 *                           nothing, password salt secret associated tag. Prints the tiers that were checked.
 *   test_argon2 wipe        whether all memory is zero when it goes back; linked with --wrap=munmap. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "check.h"
#include "kdk_argon2.h"

static void check_line(char *line)
{
    unsigned numbers[5];
    char *fields[5], *rest = line;
    uint8_t *data[5];
    size_t sizes[5];

    for (int i = 0; i < 5; i++)
        numbers[i] = (unsigned)strtoul(rest, &rest, 10);
    for (int i = 0; i < 5; i++) {
        fields[i] = strtok(i ? NULL : rest, " \n");
        CHECK(fields[i]);
        data[i] = exact_from_hex(fields[i], sizes + i);
    }
    for (int tier = 0; tier < KDK_ARGON2_TIERS; tier++) {
        if (kdk_argon2_tier_status(tier) != KDK_ARGON2_OK)
            continue;
        tier_at_work = kdk_argon2_tier_name(tier);
        for (uint32_t threads = 1; threads <= 3; threads++) {
            uint8_t *const tag = calloc(1, sizes[4]);
            const struct kdk_argon2 job = {
                .type = (enum kdk_argon2_type)numbers[0],
                .version = numbers[1],
                .passes = numbers[2],
                .memory_kib = numbers[3],
                .lanes = numbers[4],
                .password = {data[0], sizes[0]},
                .salt = {data[1], sizes[1]},
                .secret = {data[2], sizes[2]},
                .associated = {data[3], sizes[3]},
                .tag = tag,
                .tag_size = sizes[4],
                .tier = tier,
                .threads = threads,
                .lock = 1,
            };
            CHECK(tag && kdk_argon2_hash(&job) == KDK_ARGON2_OK);
            CHECK(memcmp(tag, data[4], sizes[4]) == 0);
            free(tag);
        }
    }
    for (int i = 0; i < 5; i++)
        free(data[i]);
}

static int check(const char *path)
{
    FILE *const file = fopen(path, "r");
    char *line = NULL;
    size_t room = 0;

    CHECK(file);
    while (getline(&line, &room, file) > 0)
        check_line(line);
    free(line);
    fclose(file);
    for (int tier = 0; tier < KDK_ARGON2_TIERS; tier++)
        if (kdk_argon2_tier_status(tier) == KDK_ARGON2_OK)
            puts(kdk_argon2_tier_name(tier));
    return 0;
}

static int tiers(void)
{
    for (int tier = 0; tier < KDK_ARGON2_TIERS; tier++) {
        const enum kdk_argon2_status status = kdk_argon2_tier_status(tier);
        printf("%s: %s\n", kdk_argon2_tier_name(tier),
               status == KDK_ARGON2_OK              ? "usable"
               : status == KDK_ARGON2_ERR_NOT_BUILT ? "not built"
                                                    : "not on this cpu");
    }
    printf("default: %s\n", kdk_argon2_tier_name(kdk_argon2_default_tier()));
    return 0;
}

#ifdef WRAPPED

static size_t expected_bytes, given_back;
static int was_zero, was_used;

int __real_munmap(void *start, size_t size);
int __wrap_munmap(void *start, size_t size);

/* The alignment of huge pages gives back parts that were never used; what counts is the memory itself. */
int __wrap_munmap(void *start, size_t size)
{
    if (size == expected_bytes) {
        const uint8_t *const bytes = start;
        given_back++;
        was_zero = bytes[0] == 0 && memcmp(bytes, bytes + 1, size - 1) == 0;
    }
    return __real_munmap(start, size);
}

struct watch {
    uint64_t calls, cancel_at;
};

static int slice_done(void *context, uint64_t done, uint64_t all)
{
    struct watch *const watch = context;
    CHECK(done == ++watch->calls && done <= all);
    was_used = 1;
    return done == watch->cancel_at;
}

static void wiped(uint32_t memory_kib, uint32_t lanes, uint32_t threads, uint64_t cancel_at)
{
    uint8_t tag[32] = "unchanged";
    struct watch watch = {0, cancel_at};
    const struct kdk_argon2 job = {
        .type = KDK_ARGON2_ID,
        .version = 0x13,
        .passes = 2,
        .memory_kib = memory_kib,
        .lanes = lanes,
        .password = {(const uint8_t *)"password", 8},
        .salt = {(const uint8_t *)"saltsalt", 8},
        .tag = tag,
        .tag_size = sizeof tag,
        .tier = -1,
        .threads = threads,
        .slice_done = slice_done,
        .context = &watch,
    };

    expected_bytes = (size_t)memory_kib * 1024;
    given_back = 0;
    was_zero = was_used = 0;
    const enum kdk_argon2_status status = kdk_argon2_hash(&job);
    expected_bytes = 0;
    CHECK(status == (cancel_at ? KDK_ARGON2_ERR_CANCELLED : KDK_ARGON2_OK));
    CHECK(watch.calls == (cancel_at ? cancel_at : 8));
    CHECK((memcmp(tag, "unchanged", 10) == 0) == (cancel_at != 0));
    CHECK(was_used && given_back == 1 && was_zero);
}

static int wipe(void)
{
    for (uint64_t cancel_at = 0; cancel_at <= 8; cancel_at++)
        for (uint32_t threads = 1; threads <= 4; threads++) {
            wiped(64, 1, threads, cancel_at);
            wiped(360, 9, threads, cancel_at);
            wiped(6144, 3, threads, cancel_at);
            wiped(40960, 2, threads, cancel_at); /* enough for pages to be chosen */
        }
    return 0;
}

#else

static int wipe(void)
{
    CHECK(!"linked with --wrap=munmap");
    return 1;
}

#endif

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "check") == 0)
        return check(argv[2]);
    if (argc == 2 && strcmp(argv[1], "wipe") == 0)
        return wipe();
    CHECK(argc == 2 && strcmp(argv[1], "tiers") == 0);
    return tiers();
}
