# Keys placed before kernel and initramfs make loads fail at random that would fit: hardened places them last.
#@machine --crashkernel 160M --kernel-size 70M --initrd-size 60M --policy hardened
#@disk root.img root 64M
#@first-kernel
kdumpkey kdump name root.img --key-file passphrase
for load in 1 2 3 4 5 6 7 8; do kdumpkey kdump load >/dev/null; done
# The same on a machine with Linux's own policy: 41 of 100 loads fail.
export KDUMPKEY_MACHINE="$KDUMPKEY_MACHINE.upstream"
trap 'kdumpkey kdump destroy' EXIT
kdumpkey kdump boot --throwaway --crashkernel 160M --kernel-size 70M --initrd-size 60M --policy upstream
kdumpkey kdump name root.img --key-file passphrase
failed=0
for load in 1 2 3 4 5 6 7 8; do kdumpkey kdump load >/dev/null 2>&1 || failed=$((failed + 1)); done
echo "upstream: $failed of 8 loads failed; hardened: 0 of 8"
