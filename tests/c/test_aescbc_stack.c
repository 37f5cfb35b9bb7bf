/* What the engine leaves on the stack. Each operation runs on a painted stack of its own, twice with each of
 * two sets of secrets: bytes that agree between runs with the same secrets and differ between the sets are
 * secrets left behind. Arguments: a tier's name, and "leave" to leave one on purpose. Exits 0, 1 for bytes
 * left, 2 where the tier cannot run. */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#include "kdk_aescbc.h"

#define STACK_BYTES 65536

enum operation { INIT, ENCRYPT, DECRYPT };
static const char *const names[] = {"init", "encrypt", "decrypt"};

static _Alignas(64) struct kdk_aescbc_ctx ctx;
static _Alignas(64) uint8_t stack[STACK_BYTES];
static uint8_t kept[4][STACK_BYTES];
static uint8_t key[32], data[32768];
static struct kdk_aescbc_run run;
static size_t bytes;
static enum operation operation;
static int tier, leave, status;
static ucontext_t home, away;

static void go(void)
{
    volatile uint8_t left[16];
    switch (operation) {
    case INIT: status = kdk_aescbc_init(&ctx, key, sizeof key, key, sizeof key, tier); break;
    case ENCRYPT: status = kdk_aescbc_encrypt(&ctx, &run, bytes); break;
    default: status = kdk_aescbc_decrypt(&ctx, &run, bytes);
    }
    for (size_t i = 0; i < sizeof left; i++)
        left[i] = leave ? key[i] : 0;
}

static void fill(uint64_t seed)
{
    for (size_t i = 0; i < sizeof key + sizeof data; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        *(i < sizeof key ? key + i : data + (i - sizeof key)) = (uint8_t)(seed >> 56);
    }
}

static size_t left_behind(size_t sector_size, size_t sectors)
{
    /* In this order no counter of ours goes with the secrets. */
    static const uint64_t seeds[4] = {1, 2, 2, 1};
    size_t count = 0;
    bytes = sectors * sector_size;
    for (int i = 0; i < 4; i++) {
        fill(seeds[i]);
        if (kdk_aescbc_init(&ctx, key, sizeof key, key, sizeof key, tier) != KDK_AESCBC_OK)
            exit(2);
        run = (struct kdk_aescbc_run){data, data, 0, sector_size, 5, 1, UINT64_MAX, 0, 0};
        memset(stack, 0xa5, sizeof stack);
        if (getcontext(&away))
            exit(3);
        away.uc_stack.ss_sp = stack;
        away.uc_stack.ss_size = sizeof stack;
        away.uc_link = &home;
        makecontext(&away, go, 0);
        if (swapcontext(&home, &away) || status != KDK_AESCBC_OK)
            exit(3);
        memcpy(kept[i], stack, sizeof stack);
    }
    for (size_t i = 0; i < STACK_BYTES; i++)
        count += kept[0][i] == kept[3][i] && kept[1][i] == kept[2][i] && kept[0][i] != kept[1][i];
    return count;
}

int main(int count, char **arguments)
{
    static const size_t shapes[][2] = {{4096, 4}, {512, 33}, {4096, 1}, {48, 7}, {16, 1}};
    int failed = 0;
    while (tier < KDK_AESCBC_TIERS && (count < 2 || strcmp(arguments[1], kdk_aescbc_tier_name(tier))))
        tier++;
    if (kdk_aescbc_tier_status(tier) != KDK_AESCBC_OK)
        return 2;
    leave = count > 2 && !strcmp(arguments[2], "leave");
    for (operation = INIT; operation <= DECRYPT; operation++)
        for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
            const size_t left = left_behind(shapes[i][0], shapes[i][1]);
            if (left)
                printf("%s of %zu sectors of %zu bytes leaves %zu\n", names[operation], shapes[i][1],
                       shapes[i][0], left);
            failed |= left != 0;
        }
    return failed;
}
