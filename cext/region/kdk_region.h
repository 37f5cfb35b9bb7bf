/* Where kexec_file_load puts the segments of a crash image in the reserved memory of x86-64, and the keys
 * among them.
 *
 * Addresses and sizes are in bytes; "page" is the 4096 bytes that the kernel places by. Nothing here
 * allocates but kdk_region_map. */
#ifndef KDK_REGION_H
#define KDK_REGION_H

#include <stddef.h>
#include <stdint.h>

#define KDK_REGION_PAGE 4096u
#define KDK_REGION_SEGMENTS 32 /* KEXEC_SEGMENT_MAX is 16 */
#define KDK_REGION_DRAWS 65536u
#define KDK_REGION_FAILED UINT32_MAX /* in place of a page's number */

enum kdk_region_policy {
    KDK_REGION_UPSTREAM =
        0,                  /* in order, bottom-up from a start that 16 random bits choose; v1 did the same */
    KDK_REGION_HARDENED = 1 /* after all others, uniform over every page where the keys fit */
};

enum kdk_region_status {
    KDK_REGION_OK = 0,
    KDK_REGION_NO_ROOM = 1,
    KDK_REGION_BAD_SEGMENT =
        2, /* empty, larger than the region, or an alignment that is no power of two of a page or more */
    KDK_REGION_TOO_MANY = 3,  /* segments, or more than one of keys */
    KDK_REGION_BAD_REGION = 4 /* empty, not of whole pages, or beyond the address space */
};

struct kdk_region_segment {
    uint64_t bytes;     /* rounded up to whole pages when placed */
    uint64_t alignment; /* a power of two, a page or more */
    int top_down;
    int keys;
};

struct kdk_region_plan {
    uint64_t base, bytes; /* of the region */
    int policy;
    size_t count;
    struct kdk_region_segment segments[KDK_REGION_SEGMENTS];
    int keys; /* the index of the keys' segment, -1: none; filled in by kdk_region_check */
};

struct kdk_region_gap {
    uint64_t start, slots; /* the keys fit at start, start + 1 page … start + (slots - 1) pages */
};

struct kdk_region_summary {
    uint64_t draws;                /* equally likely */
    uint64_t failures;             /* of them */
    uint64_t reachable;            /* pages that the keys may begin at */
    uint64_t most;                 /* draws that lead to the likeliest page */
    double shannon_bits, min_bits; /* of the page, given that it does not fail; 0 where it always does */
};

/* Check a plan, round its sizes, find its keys. To be called once, before the others. */
enum kdk_region_status kdk_region_check(struct kdk_region_plan *plan);

/* How many equally likely draws there are: 65536, or the slots of the hardened policy (0: no room), or 1
 * without keys. */
uint64_t kdk_region_draws(const struct kdk_region_plan *plan);

/* Place everything for one draw. starts[i] is the address of segment i; on failure *failed is the segment
 * without room. */
enum kdk_region_status kdk_region_place(const struct kdk_region_plan *plan, uint64_t draw, uint64_t *starts,
                                        size_t *failed);

/* The exact distribution of the page that the keys begin at: counts[page] draws lead there. `counts` has a
 * place for every page of the region, and is overwritten. */
void kdk_region_distribution(const struct kdk_region_plan *plan, uint32_t *counts,
                             struct kdk_region_summary *summary);

/* Draw n placements of the keys: their page in the region, or KDK_REGION_FAILED. `state` seeds the generator;
 * NULL: the system's randomness. Returns 0 or the errno of getrandom. */
int kdk_region_sample(const struct kdk_region_plan *plan, const uint64_t state[4], uint32_t *pages, size_t n);

/* Map a region's file as a loaded one: all of it readable only, and `hidden_bytes` from `hidden` on not at
 * all, locked and left out of dumps. Both are multiples of a page. Returns 0 or an errno; *locked says
 * whether mlock was granted. */
int kdk_region_map(int fd, size_t bytes, size_t hidden, size_t hidden_bytes, void **mapping, int *locked);
void kdk_region_unmap(void *mapping, size_t bytes);

#endif
