# The key is handed over: the kdump kernel opens the disk without a passphrase and without Argon2.
#@machine --crashkernel 256M
#@disk root.img root 64M
#@first-kernel
kdumpkey kdump name root.img --key-file passphrase
kdumpkey kdump load
kdumpkey kdump status
#@crash
#@kdump-kernel
kdumpkey unlock root.img --from-kdump
