# No key is handed over: in the kdump kernel, Argon2's gigabyte does not fit. Fails with exit code 3.
#@machine --crashkernel 256M
#@disk root.img root 64M
#@first-kernel
cryptsetup open --test-passphrase root.img --key-file passphrase
kdumpkey kdump load
#@crash
#@kdump-kernel
cryptsetup open --test-passphrase root.img --key-file passphrase
