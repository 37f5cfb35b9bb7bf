# Each reload leaves the old copy of the key in the reserved memory; hardened zeroes it.
#@machine --crashkernel 512M --policy upstream
#@disk root.img root 64M
#@first-kernel
kdumpkey kdump name root.img --key-file passphrase
for load in 1 2 3 4 5 6; do kdumpkey kdump load; done
kdumpkey kdump audit
kdumpkey kdump unload
kdumpkey kdump audit
export KDUMPKEY_MACHINE="$KDUMPKEY_MACHINE.hardened"
trap 'kdumpkey kdump destroy' EXIT
kdumpkey kdump boot --throwaway --crashkernel 512M --policy hardened
kdumpkey kdump name root.img --key-file passphrase
for load in 1 2 3 4 5 6; do kdumpkey kdump load; done
kdumpkey kdump audit
