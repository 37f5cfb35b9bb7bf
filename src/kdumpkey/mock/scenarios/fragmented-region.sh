# Keys placed before kernel and initramfs make loads fail at random that would fit: hardened places them last.
#@machine --crashkernel 160M --kernel-size 70M --initrd-size 60M --policy hardened
#@first-kernel
head -c 64 /dev/urandom > volume.key
name() { kdumpkey kdump name --key-description kdump:disk --volume-key-file volume.key >/dev/null; }
name
for load in 1 2 3 4 5 6 7 8; do kdumpkey kdump load >/dev/null; done
# The same on a machine with Linux's own policy: 41 of 100 loads fail, and lose the image that was loaded.
export KDUMPKEY_MACHINE="$KDUMPKEY_MACHINE.upstream"
trap 'kdumpkey kdump destroy >/dev/null' EXIT
kdumpkey kdump boot --throwaway --crashkernel 160M --kernel-size 70M --initrd-size 60M --policy upstream >/dev/null
name
failed=0
for load in 1 2 3 4 5 6 7 8; do kdumpkey kdump load >/dev/null 2>&1 || failed=$((failed + 1)); done
echo "upstream: $failed of 8 loads failed; hardened: 0 of 8"
