# Linux takes 129 keys and loads them, and then restores none and says nothing. Fails with exit code 2.
#@disk root.img root 64M
#@first-kernel
kdumpkey kdump name root.img --key-file passphrase
head -c 64 /dev/urandom > other.key
kdumpkey kdump name --key-description kdump:other --volume-key-file other.key --count 128
kdumpkey kdump load
#@crash
#@kdump-kernel
kdumpkey kdump restore
kdumpkey unlock root.img --from-kdump
