# The whole story: a disk is opened, its key handed over, the machine crashes, and the dump is written encrypted.
#@machine --crashkernel 256M
#@disk root.img root 64M
#@first-kernel
run() { echo "\$ $*"; "$@"; }
echo "A LUKS2 disk whose keyslot takes Argon2id with 1 GiB. The first kernel opens it, and names its key:"
run kdumpkey kdump name root.img --key-file passphrase
echo
echo "The kdump service loads the crash image; the key is copied into the reserved 256 MiB, at a random place:"
run kdumpkey kdump load
run kdumpkey kdump status
#@crash
#@kdump-kernel
run() { echo "\$ $*"; "$@"; }
echo "The machine crashed. What the kdump kernel leaves for programs is little, and the passphrase needs much:"
run cryptsetup open --test-passphrase root.img --key-file passphrase && exit 1
echo
echo "The key handed over needs no Argon2:"
run kdumpkey unlock root.img --from-kdump
echo
echo "The dump is written into the encrypted volume:"
{ printf '\177ELF a vmcore'; head -c 50331648 /dev/urandom; } > vmcore
run kdumpkey kdump save root.img vmcore
sha256sum < vmcore > vmcore.sum
stat -c %s vmcore > vmcore.size
rm vmcore
#@reboot
#@first-kernel
run() { echo "\$ $*"; "$@"; }
echo "After the reboot, the passphrase opens the disk again, and the dump is there:"
run kdumpkey unlock root.img --key-file passphrase --to vmcore --length "$(cat vmcore.size)"
sha256sum < vmcore | cmp - vmcore.sum
echo "sha256 of the vmcore read back: $(cut -c 1-16 vmcore.sum)…, as it was written"
