/* SubBytes and InvSubBytes (FIPS 197, 5.1.1 and 5.3.2) as circuits over slices, for the portable tiers: the
 * same operations whatever the bytes are. */
#ifndef KDK_AES_SBOX_H
#define KDK_AES_SBOX_H

#include <stdint.h>

typedef uint32_t slice __attribute__((vector_size(16)));
typedef slice state[8]; /* of every byte one bit each, the lowest first */

#define INLINE static inline __attribute__((always_inline))

/* Inversion in GF(2^8), the part that SubBytes and its inverse share: 22 sums of the input's bits in, 18
 * products out, of which sums are the output. This and sub_bytes are the circuit of 32 ANDs of Boyar and
 * Peralta ("A new combinational logic minimization technique with applications to cryptology", 2010), with
 * their names; y[0] is x7. */
INLINE void invert(const slice y[22], slice z[18])
{
    const slice t2 = y[12] & y[15], t4 = (y[3] & y[6]) ^ t2, t6 = (y[4] & y[0]) ^ t2;
    const slice t7 = y[13] & y[16], t9 = (y[5] & y[1]) ^ t7, t11 = (y[2] & y[7]) ^ t7;
    const slice t12 = y[9] & y[11], t14 = (y[14] & y[17]) ^ t12, t16 = (y[8] & y[10]) ^ t12;
    const slice t21 = t4 ^ t14 ^ y[20], t22 = t6 ^ t16 ^ y[19], t23 = t9 ^ t14 ^ y[21],
                t24 = t11 ^ t16 ^ y[18];
    const slice t25 = t21 ^ t22, t26 = t21 & t23, t27 = t24 ^ t26, t29 = (t25 & t27) ^ t22;
    const slice t30 = t23 ^ t24, t31 = t22 ^ t26, t33 = (t31 & t30) ^ t24, t34 = t23 ^ t33, t35 = t27 ^ t33;
    const slice t36 = t24 & t35, t37 = t36 ^ t34, t38 = t27 ^ t36, t40 = t25 ^ (t29 & t38);
    const slice t41 = t40 ^ t37, t42 = t29 ^ t33, t43 = t29 ^ t40, t44 = t33 ^ t37, t45 = t42 ^ t41;
    z[0] = t44 & y[15];
    z[1] = t37 & y[6];
    z[2] = t33 & y[0];
    z[3] = t43 & y[16];
    z[4] = t40 & y[1];
    z[5] = t29 & y[7];
    z[6] = t42 & y[11];
    z[7] = t45 & y[17];
    z[8] = t41 & y[10];
    z[9] = t44 & y[12];
    z[10] = t37 & y[3];
    z[11] = t33 & y[4];
    z[12] = t43 & y[13];
    z[13] = t40 & y[5];
    z[14] = t29 & y[2];
    z[15] = t42 & y[9];
    z[16] = t45 & y[14];
    z[17] = t41 & y[8];
}

/* SubBytes without its constant 0x63, which the round keys carry: it goes through ShiftRows and MixColumns
 * unchanged. */
INLINE void sub_bytes(state q)
{
    slice y[22], z[18];
    const slice x0 = q[7], x1 = q[6], x2 = q[5], x3 = q[4], x4 = q[3], x5 = q[2], x6 = q[1], x7 = q[0];
    const slice t0 = x1 ^ x2;
    y[0] = x7;
    y[14] = x3 ^ x5;
    y[13] = x0 ^ x6;
    y[9] = x0 ^ x3;
    y[8] = x0 ^ x5;
    y[1] = t0 ^ x7;
    y[4] = y[1] ^ x3;
    y[12] = y[13] ^ y[14];
    y[2] = y[1] ^ x0;
    y[5] = y[1] ^ x6;
    y[3] = y[5] ^ y[8];
    const slice t1 = x4 ^ y[12];
    y[15] = t1 ^ x5;
    y[20] = t1 ^ x1;
    y[6] = y[15] ^ x7;
    y[10] = y[15] ^ t0;
    y[11] = y[20] ^ y[9];
    y[7] = x7 ^ y[11];
    y[17] = y[10] ^ y[11];
    y[19] = y[10] ^ y[8];
    y[16] = t0 ^ y[11];
    y[21] = y[13] ^ y[16];
    y[18] = x0 ^ y[16];
    invert(y, z);
    const slice t46 = z[15] ^ z[16], t48 = z[5] ^ z[13], t53 = z[0] ^ z[3], t54 = z[6] ^ z[7],
                t57 = z[2] ^ z[12] ^ t53;
    const slice t58 = z[4] ^ t46, t59 = z[3] ^ t54, t60 = t46 ^ t57, t62 = z[7] ^ z[8] ^ t58,
                t63 = z[9] ^ z[10] ^ t58;
    const slice t64 = z[4] ^ t59, t65 = z[14] ^ t57 ^ t62, t66 = z[1] ^ t63, s3 = t53 ^ t66;
    q[7] = t59 ^ t63;
    q[6] = t64 ^ s3;
    q[5] = z[16] ^ z[17] ^ t64 ^ t65;
    q[4] = s3;
    q[3] = z[2] ^ z[5] ^ t66;
    q[2] = z[10] ^ z[11] ^ t65;
    q[1] = z[12] ^ t48 ^ t62;
    q[0] = t48 ^ t60;
}

/* The inverse of sub_bytes: the same inversion, with the inverse of the affine map's matrix (FIPS 197, 5.3.2)
 * multiplied into both linear layers. Their sums were searched for: 23 XORs before the inversion and 29 after
 * it. */
INLINE void inv_sub_bytes(state q)
{
    slice y[22], z[18];
    const slice t0 = q[2] ^ q[1];
    y[5] = q[6] ^ q[4];
    y[19] = q[3] ^ q[0];
    y[8] = q[7] ^ q[6];
    y[9] = q[4] ^ q[3];
    y[10] = y[8] ^ y[19];
    y[1] = y[19] ^ q[4];
    y[13] = y[1] ^ q[1];
    y[2] = y[13] ^ y[5];
    y[4] = y[2] ^ y[9];
    y[3] = q[7] ^ q[4];
    y[7] = y[4] ^ q[5];
    y[16] = y[7] ^ y[1];
    y[14] = y[9] ^ y[8];
    y[21] = y[7] ^ q[1];
    y[18] = y[7] ^ y[2];
    y[6] = y[5] ^ q[7];
    y[12] = y[14] ^ y[13];
    y[17] = t0 ^ y[9];
    y[11] = y[17] ^ y[10];
    y[20] = t0 ^ y[10];
    y[15] = y[17] ^ y[16];
    y[0] = y[11] ^ y[7];
    invert(y, z);
    const slice s0 = z[13] ^ z[16], s1 = z[12] ^ s0, s2 = z[6] ^ z[3] ^ z[15] ^ s1, s3 = z[5] ^ z[8] ^ s2;
    const slice s4 = z[0] ^ z[5] ^ z[3], s5 = z[2] ^ s4, s6 = z[9] ^ z[11] ^ z[17],
                s7 = z[10] ^ z[16] ^ z[11] ^ s5;
    const slice s8 = z[4] ^ s2, s9 = z[1] ^ z[8] ^ s4 ^ s8, s10 = z[7] ^ s8, s11 = z[14] ^ s0 ^ s7 ^ s9;
    q[0] = z[15] ^ s6;
    q[1] = s10;
    q[2] = s9;
    q[3] = z[17] ^ s7 ^ s10;
    q[4] = s3 ^ s5;
    q[5] = s11;
    q[6] = s1 ^ s6 ^ s11;
    q[7] = s3;
}

#endif
