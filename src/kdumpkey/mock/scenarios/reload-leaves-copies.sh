# Each reload leaves the old copy of the key in the reserved memory; hardened zeroes it.
#@machine --crashkernel 512M --policy upstream
#@first-kernel
head -c 64 /dev/urandom > volume.key
reload() {
	kdumpkey kdump name --key-description kdump:disk --volume-key-file volume.key >/dev/null
	for load in 1 2 3 4 5 6; do kdumpkey kdump load >/dev/null; done
	kdumpkey kdump audit
}
echo "upstream, loaded six times:"
reload
kdumpkey kdump unload
kdumpkey kdump audit
export KDUMPKEY_MACHINE="$KDUMPKEY_MACHINE.hardened"
trap 'kdumpkey kdump destroy >/dev/null' EXIT
kdumpkey kdump boot --throwaway --crashkernel 512M --policy hardened >/dev/null
echo
echo "hardened, loaded six times:"
reload
