/* The PBKDF2 engine by itself: on every tier that runs here, also under sanitizers and emulators. Exits 0, or
 * aborts at the first wrong fact.
 *
 *   test_pbkdf2 tiers       prints for each hash the usable tiers, and the defaults for 1, 2, 4 and 16 blocks
 *   test_pbkdf2 check FILE  FILE: vectors, one a line: hash (0 SHA-1, 1 SHA-256, 2 SHA-512) iterations, then
 * in hex, "-" for nothing, password salt output. Prints how many computations it checked. test_pbkdf2 cancel
 * whether cancelling leaves zeros, and a wrong argument the output as it was */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "kdk_pbkdf2.h"

static unsigned check_line(char *line)
{
    char *rest = line;
    const unsigned long hash = strtoul(rest, &rest, 10), iterations = strtoul(rest, &rest, 10);
    uint8_t *data[3];
    size_t sizes[3];
    unsigned checked = 0;

    for (int i = 0; i < 3; i++) {
        const char *const field = strtok(i ? NULL : rest, " \n");
        CHECK(field);
        data[i] = exact_from_hex(field, sizes + i);
    }
    for (int tier = 0; tier < KDK_PBKDF2_TIERS; tier++) {
        if (kdk_pbkdf2_tier_status(tier, (enum kdk_sha_kind)hash) != KDK_PBKDF2_OK)
            continue;
        tier_at_work = kdk_pbkdf2_tier_name(tier);
        uint8_t *const out = malloc(sizes[2]);
        const struct kdk_pbkdf2 job = {
            .hash = (enum kdk_sha_kind)hash,
            .iterations = (uint32_t)iterations,
            .password = data[0],
            .password_size = sizes[0],
            .salt = data[1],
            .salt_size = sizes[1],
            .out = out,
            .out_size = sizes[2],
            .tier = tier,
        };
        CHECK(out && kdk_pbkdf2_derive(&job) == KDK_PBKDF2_OK);
        CHECK(memcmp(out, data[2], sizes[2]) == 0);
        free(out);
        checked++;
    }
    for (int i = 0; i < 3; i++)
        free(data[i]);
    return checked;
}

static int check(const char *path)
{
    static char line[1 << 16];
    FILE *const file = fopen(path, "r");
    unsigned checked = 0;

    CHECK(file);
    while (fgets(line, sizeof line, file))
        checked += check_line(line);
    fclose(file);
    printf("%u\n", checked);
    return 0;
}

static int tiers(void)
{
    static const char *const names[KDK_SHA_KINDS] = {"sha1", "sha256", "sha512"};

    for (int hash = 0; hash < KDK_SHA_KINDS; hash++) {
        printf("%s:", names[hash]);
        for (int tier = 0; tier < KDK_PBKDF2_TIERS; tier++)
            if (kdk_pbkdf2_tier_status(tier, (enum kdk_sha_kind)hash) == KDK_PBKDF2_OK)
                printf(" %s", kdk_pbkdf2_tier_name(tier));
        printf("; default");
        for (size_t blocks = 1; blocks <= 16; blocks *= blocks == 4 ? 4 : 2) {
            const size_t size = blocks * kdk_sha_digest_size((enum kdk_sha_kind)hash);
            printf(" %s", kdk_pbkdf2_tier_name(kdk_pbkdf2_default_tier((enum kdk_sha_kind)hash, size)));
        }
        printf("\n");
    }
    return 0;
}

static int stop(void *context) { return --*(int *)context == 0; }

static int cancel(void)
{
    for (int hash = 0; hash < KDK_SHA_KINDS; hash++) {
        uint8_t out[100];
        int calls = 3;
        struct kdk_pbkdf2 job = {
            .hash = (enum kdk_sha_kind)hash,
            .iterations = 0,
            .out = out,
            .out_size = sizeof out,
            .tier = -1,
            .batch_done = stop,
            .context = &calls,
        };
        memset(out, 0x5a, sizeof out);
        CHECK(kdk_pbkdf2_derive(&job) == KDK_PBKDF2_ERR_ITERATIONS && out[0] == 0x5a);
        job.iterations = UINT32_MAX;
        CHECK(kdk_pbkdf2_derive(&job) == KDK_PBKDF2_ERR_CANCELLED && calls == 0);
        CHECK(out[0] == 0 && memcmp(out, out + 1, sizeof out - 1) == 0);
    }
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "check") == 0)
        return check(argv[2]);
    if (argc == 2 && strcmp(argv[1], "cancel") == 0)
        return cancel();
    CHECK(argc == 2 && strcmp(argv[1], "tiers") == 0);
    return tiers();
}
