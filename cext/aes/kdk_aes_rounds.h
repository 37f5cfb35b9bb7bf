/* AES's rounds over vectors of any width, the same to a caller on every processor: included after the
 * vectors. x86 adds a round's key at its end, as FIPS 197 has it, ARMv8 at the beginning of the next one; so
 * every step is given both keys. */
#ifndef KDK_AES_ROUNDS_H
#define KDK_AES_ROUNDS_H

#if defined(__aarch64__)

KDK_INLINE vec whiten(vec x, vec first)
{
    (void)first;
    return x;
}

KDK_INLINE vec encrypt_round(vec x, vec before, vec key)
{
    (void)key;
    return aes_encrypt(x, before);
}

KDK_INLINE vec decrypt_round(vec x, vec before, vec key)
{
    (void)key;
    return aes_decrypt(x, before);
}

KDK_INLINE vec encrypt_end(vec x, vec before, vec last) { return xor2(aes_encrypt_last(x, before), last); }
KDK_INLINE vec decrypt_end(vec x, vec before, vec last) { return xor2(aes_decrypt_last(x, before), last); }

#else

KDK_INLINE vec whiten(vec x, vec first) { return xor2(x, first); }

KDK_INLINE vec encrypt_round(vec x, vec before, vec key)
{
    (void)before;
    return aes_encrypt(x, key);
}

KDK_INLINE vec decrypt_round(vec x, vec before, vec key)
{
    (void)before;
    return aes_decrypt(x, key);
}

KDK_INLINE vec encrypt_end(vec x, vec before, vec last)
{
    (void)before;
    return aes_encrypt_last(x, last);
}

KDK_INLINE vec decrypt_end(vec x, vec before, vec last)
{
    (void)before;
    return aes_decrypt_last(x, last);
}

#endif

#endif
