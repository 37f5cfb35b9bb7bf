/* BlaMka, the mixing function of Argon2's permutation (RFC 9106, section 3.6), on several vectors at once.
 *
 * A tier defines KDK_INLINE, the vector type V, add, multiply_low (of the low 32 bits of each word), xor_,
 * and rotate32, rotate24, rotate16 and rotate63 (to the right), and KDK_FLIGHT: how many quadruples of
 * vectors go through it side by side. One alone would wait for the multiplier's latency most of the time. */
#ifndef KDK_ARGON2_MIX_H
#define KDK_ARGON2_MIX_H

#define KDK_UNROLL _Pragma("GCC unroll 64")

/* a = a + b + 2 · low(a) · low(b) */
KDK_INLINE void add_product(V *a, const V *b)
{
    V product[KDK_FLIGHT];
    for (int i = 0; i < KDK_FLIGHT; i++)
        product[i] = multiply_low(a[i], b[i]);
    for (int i = 0; i < KDK_FLIGHT; i++)
        a[i] = add(a[i], b[i]);
    for (int i = 0; i < KDK_FLIGHT; i++)
        product[i] = add(product[i], product[i]);
    for (int i = 0; i < KDK_FLIGHT; i++)
        a[i] = add(a[i], product[i]);
}

KDK_INLINE void mix(V *a, V *b, V *c, V *d)
{
    add_product(a, b);
    for (int i = 0; i < KDK_FLIGHT; i++)
        d[i] = rotate32(xor_(d[i], a[i]));
    add_product(c, d);
    for (int i = 0; i < KDK_FLIGHT; i++)
        b[i] = rotate24(xor_(b[i], c[i]));
    add_product(a, b);
    for (int i = 0; i < KDK_FLIGHT; i++)
        d[i] = rotate16(xor_(d[i], a[i]));
    add_product(c, d);
    for (int i = 0; i < KDK_FLIGHT; i++)
        b[i] = rotate63(xor_(b[i], c[i]));
}

#endif
