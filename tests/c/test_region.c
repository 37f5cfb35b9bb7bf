/* The placement code by itself: every plan that a small generator makes is laid out without overlap or left
 * out with a reason. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kdk_region.h"

#define CHECK(x)                                                                                             \
    do {                                                                                                     \
        if (!(x)) {                                                                                          \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #x);                                          \
            exit(1);                                                                                         \
        }                                                                                                    \
    } while (0)
#define PAGE ((uint64_t)KDK_REGION_PAGE)

static uint64_t seed = 7;

static uint64_t below(uint64_t n)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (seed >> 33) % n;
}

static struct kdk_region_plan some_plan(void)
{
    struct kdk_region_plan plan = {
        .base = below(1000) * PAGE, .bytes = (1 + below(3000)) * PAGE, .policy = (int)below(2)};
    plan.count = 1 + below(8);
    const size_t keys = below(plan.count + 1);
    for (size_t i = 0; i < plan.count; i++)
        plan.segments[i] = (struct kdk_region_segment){1 + below(plan.bytes / 4 + PAGE), PAGE << below(4),
                                                       (int)below(2), i == keys};
    return plan;
}

static void nothing_overlaps(const struct kdk_region_plan *plan, const uint64_t *starts)
{
    for (size_t i = 0; i < plan->count; i++) {
        const uint64_t start = starts[i], end = start + plan->segments[i].bytes;
        CHECK(start >= plan->base && end <= plan->base + plan->bytes &&
              start % plan->segments[i].alignment == 0);
        for (size_t j = 0; j < i; j++)
            CHECK(end <= starts[j] || start >= starts[j] + plan->segments[j].bytes);
    }
}

static void every_plan_is_laid_out_or_refused(void)
{
    for (int n = 0; n < 3000; n++) {
        struct kdk_region_plan plan = some_plan();
        uint64_t starts[KDK_REGION_SEGMENTS];
        size_t failed;
        CHECK(kdk_region_check(&plan) == KDK_REGION_OK);
        const uint64_t draws = kdk_region_draws(&plan);
        for (int i = 0; i < 20 && draws; i++)
            if (kdk_region_place(&plan, i ? below(draws) : draws - 1, starts, &failed) == KDK_REGION_OK)
                nothing_overlaps(&plan, starts);
            else
                CHECK(failed < plan.count);
        if (plan.policy == KDK_REGION_HARDENED || !draws)
            CHECK(kdk_region_place(&plan, draws, starts, &failed) != KDK_REGION_OK || plan.keys < 0);
    }
}

/* The shortcut of the distribution against placing everything for every draw. */
static void the_distribution_is_that_of_all_draws(void)
{
    for (int n = 0; n < 40; n++) {
        struct kdk_region_plan plan = some_plan();
        struct kdk_region_summary summary;
        uint64_t starts[KDK_REGION_SEGMENTS], failures = 0;
        size_t failed;
        CHECK(kdk_region_check(&plan) == KDK_REGION_OK);
        if (plan.keys < 0)
            continue;
        const size_t pages = plan.bytes / PAGE;
        uint32_t *counts = malloc(pages * sizeof *counts), *naive = calloc(pages, sizeof *naive);
        CHECK(counts && naive);
        kdk_region_distribution(&plan, counts, &summary);
        const uint64_t draws = kdk_region_draws(&plan);
        for (uint64_t draw = 0; draw < draws; draw++)
            if (kdk_region_place(&plan, draw, starts, &failed) == KDK_REGION_OK)
                naive[(starts[plan.keys] - plan.base) / PAGE]++;
            else
                failures++;
        CHECK(memcmp(counts, naive, pages * sizeof *counts) == 0);
        CHECK(draws ? summary.draws == draws && summary.failures == failures
                    : summary.failures == summary.draws);
        CHECK(summary.min_bits <= summary.shannon_bits + 1e-9 &&
              summary.shannon_bits <= log2((double)summary.draws) + 1e-9);
        free(counts);
        free(naive);
    }
}

static void samples_are_where_the_distribution_says(void)
{
    static const uint64_t state[4] = {1, 2, 3, 4};
    for (int n = 0; n < 200; n++) {
        struct kdk_region_plan plan = some_plan();
        struct kdk_region_summary summary;
        uint32_t pages[100];
        CHECK(kdk_region_check(&plan) == KDK_REGION_OK);
        uint32_t *counts = malloc(plan.bytes / PAGE * sizeof *counts);
        CHECK(counts);
        kdk_region_distribution(&plan, counts, &summary);
        for (int os = 0; os < 2; os++) {
            CHECK(kdk_region_sample(&plan, os ? NULL : state, pages, 100) == 0);
            for (int i = 0; i < 100; i++)
                CHECK(pages[i] == KDK_REGION_FAILED ? plan.keys < 0 || summary.failures
                                                    : counts[pages[i]] > 0);
        }
        free(counts);
    }
}

static void what_cannot_be_is_refused(void)
{
    struct kdk_region_plan good = {.bytes = 10 * PAGE, .count = 1, .segments = {{PAGE, PAGE, 0, 0}}}, plan;
    CHECK(kdk_region_check(&good) == KDK_REGION_OK);
    plan = good, plan.bytes = 0;
    CHECK(kdk_region_check(&plan) == KDK_REGION_BAD_REGION);
    plan = good, plan.bytes = 1000;
    CHECK(kdk_region_check(&plan) == KDK_REGION_BAD_REGION);
    plan = good, plan.base = UINT64_MAX - PAGE + 1;
    CHECK(kdk_region_check(&plan) == KDK_REGION_BAD_REGION);
    plan = good, plan.count = KDK_REGION_SEGMENTS + 1;
    CHECK(kdk_region_check(&plan) == KDK_REGION_TOO_MANY);
    for (int i = 0; i < 4; i++) {
        plan = good;
        plan.segments[0] = (struct kdk_region_segment[]){
            {0, PAGE, 0, 0}, {UINT64_MAX, PAGE, 0, 0}, {1, 512, 0, 0}, {1, 3 * PAGE, 0, 0}}[i];
        CHECK(kdk_region_check(&plan) == KDK_REGION_BAD_SEGMENT);
    }
    plan = good, plan.count = 2, plan.segments[0].keys = 1, plan.segments[1] = plan.segments[0];
    CHECK(kdk_region_check(&plan) == KDK_REGION_TOO_MANY);
}

int main(void)
{
    every_plan_is_laid_out_or_refused();
    the_distribution_is_that_of_all_draws();
    samples_are_where_the_distribution_says();
    what_cannot_be_is_refused();
    return 0;
}
