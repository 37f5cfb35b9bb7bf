#define _GNU_SOURCE
#include "kdk_region.h"

#include <errno.h>
#include <math.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>

#include "kdk_wipe.h"

#define PAGE ((uint64_t)KDK_REGION_PAGE)
#define STEPS 65535u /* the kernel divides by U16_MAX and multiplies by a 16-bit number */

struct span {
    uint64_t start, end;
};

/* What is placed already, by address. */
struct taken {
    size_t count;
    struct span spans[KDK_REGION_SEGMENTS];
};

static uint64_t up(uint64_t x, uint64_t alignment) { return (x + alignment - 1) & ~(alignment - 1); }

static uint64_t down(uint64_t x, uint64_t alignment) { return x & ~(alignment - 1); }

enum kdk_region_status kdk_region_check(struct kdk_region_plan *plan)
{
    plan->keys = -1;
    if (!plan->bytes || plan->bytes % PAGE || plan->base % PAGE || plan->bytes > (UINT64_C(1) << 44) ||
        plan->base > (UINT64_C(1) << 52))
        return KDK_REGION_BAD_REGION;
    if (plan->count > KDK_REGION_SEGMENTS)
        return KDK_REGION_TOO_MANY;
    for (size_t i = 0; i < plan->count; i++) {
        struct kdk_region_segment *s = &plan->segments[i];
        if (!s->bytes || s->bytes > (UINT64_C(1) << 44) || s->alignment < PAGE ||
            s->alignment & (s->alignment - 1) || s->alignment > (UINT64_C(1) << 40))
            return KDK_REGION_BAD_SEGMENT;
        s->bytes = up(s->bytes, PAGE);
        if (s->keys && plan->keys >= 0)
            return KDK_REGION_TOO_MANY;
        if (s->keys)
            plan->keys = (int)i;
    }
    return KDK_REGION_OK;
}

static void take(struct taken *taken, uint64_t start, uint64_t bytes)
{
    size_t i = taken->count++;
    for (; i && taken->spans[i - 1].start > start; i--)
        taken->spans[i] = taken->spans[i - 1];
    taken->spans[i] = (struct span){start, start + bytes};
}

static const struct span *in_the_way(const struct taken *taken, uint64_t start, uint64_t end)
{
    for (size_t i = 0; i < taken->count; i++)
        if (start < taken->spans[i].end && taken->spans[i].start < end)
            return &taken->spans[i];
    return NULL;
}

/* The kernel moves on page by page from a collision; what lies in the way is jumped over here, which comes to
 * the same place. */
static int find_up(const struct taken *taken, uint64_t from, uint64_t end, const struct kdk_region_segment *s,
                   uint64_t *found)
{
    for (uint64_t at = up(from, s->alignment); at <= end && s->bytes <= end - at;) {
        const struct span *other = in_the_way(taken, at, at + s->bytes);
        if (!other) {
            *found = at;
            return 1;
        }
        at = up(other->end, s->alignment);
    }
    return 0;
}

static int find_down(const struct taken *taken, uint64_t start, uint64_t end,
                     const struct kdk_region_segment *s, uint64_t *found)
{
    uint64_t below = end;
    while (below >= start && s->bytes <= below - start) {
        const uint64_t at = down(below - s->bytes, s->alignment);
        if (at < start)
            return 0;
        const struct span *other = in_the_way(taken, at, at + s->bytes);
        if (!other) {
            *found = at;
            return 1;
        }
        below = other->start;
    }
    return 0;
}

/* Place segments first … last - 1 but the keys. */
static enum kdk_region_status place_others(const struct kdk_region_plan *plan, size_t first, size_t last,
                                           struct taken *taken, uint64_t *starts, size_t *failed)
{
    const uint64_t end = plan->base + plan->bytes;
    for (size_t i = first; i < last; i++) {
        const struct kdk_region_segment *s = &plan->segments[i];
        uint64_t at;
        if (s->keys)
            continue;
        if (!(s->top_down ? find_down : find_up)(taken, plan->base, end, s, &at)) {
            *failed = i;
            return KDK_REGION_NO_ROOM;
        }
        take(taken, at, s->bytes);
        starts[i] = at;
    }
    return KDK_REGION_OK;
}

static size_t gaps_for_keys(const struct kdk_region_plan *plan, const struct taken *taken,
                            struct kdk_region_gap *gaps, uint64_t *slots)
{
    const struct kdk_region_segment *s = &plan->segments[plan->keys];
    const uint64_t end = plan->base + plan->bytes;
    uint64_t from = plan->base;
    size_t count = 0;
    *slots = 0;
    for (size_t i = 0; i <= taken->count; i++) {
        const uint64_t to = i < taken->count ? taken->spans[i].start : end;
        const uint64_t at = up(from, s->alignment);
        if (at <= to && s->bytes <= to - at) {
            gaps[count] = (struct kdk_region_gap){at, (to - at - s->bytes) / s->alignment + 1};
            *slots += gaps[count++].slots;
        }
        if (i < taken->count)
            from = taken->spans[i].end;
    }
    return count;
}

static uint64_t slot_address(const struct kdk_region_plan *plan, const struct kdk_region_gap *gaps,
                             uint64_t slot)
{
    while (slot >= gaps->slots)
        slot -= gaps++->slots;
    return gaps->start + slot * plan->segments[plan->keys].alignment;
}

/* What the kernel does with a 16-bit number: the division comes first, so the steps are whole bytes and may
 * be uneven pages. */
static uint64_t random_start(const struct kdk_region_plan *plan, uint64_t draw)
{
    return plan->base + (plan->bytes - 1) / STEPS * draw;
}

static enum kdk_region_status place_upstream(const struct kdk_region_plan *plan, const struct taken *before,
                                             uint64_t draw, uint64_t *starts, size_t *failed)
{
    const size_t keys = (size_t)plan->keys;
    struct taken taken; /* as much of it as there is: this runs for every draw */
    const struct kdk_region_segment *s = &plan->segments[keys];
    taken.count = before->count;
    memcpy(taken.spans, before->spans, before->count * sizeof *before->spans);
    if (!find_up(&taken, random_start(plan, draw), plan->base + plan->bytes, s, &starts[keys])) {
        *failed = keys;
        return KDK_REGION_NO_ROOM;
    }
    take(&taken, starts[keys], s->bytes);
    return place_others(plan, keys + 1, plan->count, &taken, starts, failed);
}

uint64_t kdk_region_draws(const struct kdk_region_plan *plan)
{
    if (plan->keys < 0)
        return 1;
    if (plan->policy == KDK_REGION_UPSTREAM)
        return KDK_REGION_DRAWS;
    struct taken taken = {0};
    struct kdk_region_gap gaps[KDK_REGION_SEGMENTS + 1];
    uint64_t starts[KDK_REGION_SEGMENTS], slots;
    size_t failed;
    if (place_others(plan, 0, plan->count, &taken, starts, &failed) != KDK_REGION_OK)
        return 0;
    (void)gaps_for_keys(plan, &taken, gaps, &slots);
    return slots;
}

enum kdk_region_status kdk_region_place(const struct kdk_region_plan *plan, uint64_t draw, uint64_t *starts,
                                        size_t *failed)
{
    struct taken taken = {0};
    const int upstream = plan->keys >= 0 && plan->policy == KDK_REGION_UPSTREAM;
    const size_t before = upstream ? (size_t)plan->keys : plan->count;
    enum kdk_region_status status = place_others(plan, 0, before, &taken, starts, failed);
    if (status != KDK_REGION_OK || plan->keys < 0)
        return status;
    if (upstream)
        return place_upstream(plan, &taken, draw, starts, failed);
    struct kdk_region_gap gaps[KDK_REGION_SEGMENTS + 1];
    uint64_t slots;
    (void)gaps_for_keys(plan, &taken, gaps, &slots);
    if (draw >= slots) {
        *failed = (size_t)plan->keys;
        return KDK_REGION_NO_ROOM;
    }
    starts[plan->keys] = slot_address(plan, gaps, draw);
    return KDK_REGION_OK;
}

static void summarise(const uint32_t *counts, size_t pages, struct kdk_region_summary *summary)
{
    const uint64_t good = summary->draws - summary->failures;
    double sum = 0;
    for (size_t page = 0; page < pages; page++) {
        const uint32_t n = counts[page];
        if (!n)
            continue;
        summary->reachable++;
        if (n > summary->most)
            summary->most = n;
        if (n > 1) /* log2(1) is 0, and most pages are hit once */
            sum += n * log2(n);
    }
    if (good) {
        summary->shannon_bits = log2((double)good) - sum / (double)good;
        summary->min_bits = log2((double)good / (double)summary->most);
    }
}

void kdk_region_distribution(const struct kdk_region_plan *plan, uint32_t *counts,
                             struct kdk_region_summary *summary)
{
    const size_t pages = (size_t)(plan->bytes / PAGE);
    struct taken taken = {0};
    uint64_t starts[KDK_REGION_SEGMENTS], slots;
    size_t failed;
    memset(counts, 0, pages * sizeof *counts);
    *summary = (struct kdk_region_summary){0};
    if (plan->keys < 0)
        return;
    const int upstream = plan->policy == KDK_REGION_UPSTREAM;
    const int fits = place_others(plan, 0, upstream ? (size_t)plan->keys : plan->count, &taken, starts,
                                  &failed) == KDK_REGION_OK;
    if (upstream) {
        const struct kdk_region_segment *s = &plan->segments[plan->keys];
        struct taken without = taken; /* and the layout if there were no keys */
        const int rest_fits = fits && place_others(plan, (size_t)plan->keys, plan->count, &without, starts,
                                                   &failed) == KDK_REGION_OK;
        summary->draws = KDK_REGION_DRAWS;
        /* Draws that end at one page share the rest of the layout, too: it is tried once for each page. And
         * keys that lie in nobody's way change nothing for those placed after them: taking away places that
         * are not the first to fit leaves that one the first. */
        uint64_t last = UINT64_MAX;
        enum kdk_region_status status = KDK_REGION_NO_ROOM;
        for (uint32_t draw = 0; draw < KDK_REGION_DRAWS; draw++) {
            uint64_t at;
            if (!fits || !find_up(&taken, random_start(plan, draw), plan->base + plan->bytes, s, &at)) {
                summary->failures++;
                continue;
            }
            if (rest_fits && !in_the_way(&without, at, at + s->bytes))
                status = KDK_REGION_OK;
            else if (at != last)
                status = place_upstream(plan, &taken, draw, starts, &failed);
            last = at;
            if (status == KDK_REGION_OK)
                counts[(at - plan->base) / PAGE]++;
            else
                summary->failures++;
        }
    } else if (fits) {
        struct kdk_region_gap gaps[KDK_REGION_SEGMENTS + 1];
        const size_t count = gaps_for_keys(plan, &taken, gaps, &slots);
        const uint64_t step = plan->segments[plan->keys].alignment / PAGE;
        for (size_t i = 0; i < count; i++)
            for (uint64_t slot = 0; slot < gaps[i].slots; slot++)
                counts[(gaps[i].start - plan->base) / PAGE + slot * step] = 1;
        summary->draws = slots;
    }
    if (!summary->draws)
        summary->draws = summary->failures = 1; /* there is no slot: it always fails */
    summarise(counts, pages, summary);
}

/* xoshiro256** (Blackman and Vigna, 2018): for repeatable simulations, never for keys. */
static uint64_t next_repeatable(uint64_t *s)
{
    const uint64_t x = s[1] * 5, result = (x << 7 | x >> 57) * 9, t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = s[3] << 45 | s[3] >> 19;
    return result;
}

struct source {
    uint64_t state[4];
    uint64_t pool[512];
    size_t left;
    int repeatable, error;
};

static uint64_t next(struct source *source)
{
    if (source->repeatable)
        return next_repeatable(source->state);
    if (!source->left) {
        unsigned char *bytes = (unsigned char *)source->pool;
        for (size_t done = 0; done < sizeof source->pool;) {
            const ssize_t got = getrandom(bytes + done, sizeof source->pool - done, 0);
            if (got >= 0)
                done += (size_t)got;
            else if (errno != EINTR) {
                source->error = errno;
                return 0;
            }
        }
        source->left = sizeof source->pool / sizeof *source->pool;
    }
    return source->pool[--source->left];
}

/* Uniform below n, without bias: the numbers of the last, incomplete round are thrown away. */
static uint64_t below(struct source *source, uint64_t n)
{
    const uint64_t beyond = UINT64_MAX - UINT64_MAX % n;
    uint64_t x;
    do
        x = next(source);
    while (x >= beyond && !source->error);
    return x % n;
}

int kdk_region_sample(const struct kdk_region_plan *plan, const uint64_t state[4], uint32_t *pages, size_t n)
{
    struct taken taken = {0};
    struct source source = {.repeatable = state != NULL};
    struct kdk_region_gap gaps[KDK_REGION_SEGMENTS + 1];
    uint64_t starts[KDK_REGION_SEGMENTS], slots = 0;
    size_t failed;
    const int upstream = plan->keys >= 0 && plan->policy == KDK_REGION_UPSTREAM;
    int fits = place_others(plan, 0, upstream ? (size_t)plan->keys : plan->count, &taken, starts, &failed) ==
               KDK_REGION_OK;
    fits = fits && plan->keys >= 0;
    if (fits && !upstream)
        (void)gaps_for_keys(plan, &taken, gaps, &slots);
    if (state)
        memcpy(source.state, state, sizeof source.state);
    for (size_t i = 0; i < n && !source.error; i++) {
        uint64_t at = 0;
        int good = fits;
        if (good && upstream) {
            good = place_upstream(plan, &taken, next(&source) >> 48, starts, &failed) == KDK_REGION_OK;
            at = starts[plan->keys];
        } else if (good) {
            good = slots > 0;
            if (good)
                at = slot_address(plan, gaps, below(&source, slots));
        }
        pages[i] = good ? (uint32_t)((at - plan->base) / PAGE) : KDK_REGION_FAILED;
    }
    const int error = source.error;
    kdk_wipe(&source, sizeof source); /* what was drawn from the system may have placed a real key */
    return error;
}

int kdk_region_map(int fd, size_t bytes, size_t hidden, size_t hidden_bytes, void **mapping, int *locked)
{
    unsigned char *data = mmap(NULL, bytes, PROT_READ, MAP_SHARED, fd, 0);
    *mapping = NULL;
    *locked = 0;
    if (data == MAP_FAILED)
        return errno;
    if (hidden_bytes) {
        *locked = mlock(data + hidden, hidden_bytes) == 0;
        (void)madvise(data + hidden, hidden_bytes, MADV_DONTDUMP);
        if (mprotect(data + hidden, hidden_bytes, PROT_NONE)) {
            const int error = errno;
            (void)munmap(data, bytes);
            return error;
        }
    }
    *mapping = data;
    return 0;
}

void kdk_region_unmap(void *mapping, size_t bytes)
{
    if (mapping)
        (void)munmap(mapping, bytes);
}
