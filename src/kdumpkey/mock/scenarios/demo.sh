# The whole story: a disk is opened, its key handed over, the machine crashes, and the dump is written encrypted.
#@machine --crashkernel 256M
#@disk root.img root 64M
#@first-kernel
run() { echo "\$ $*"; "$@"; echo; }
echo "A server has an encrypted disk. Its passphrase takes Argon2id with 1 GiB."
echo "The first kernel opens it once, and names the volume key for the hand-over:"
run kdumpkey kdump name root.img --key-file passphrase
echo "The kdump service loads the kdump kernel. The key is copied to a random place"
echo "in the reserved 256 MiB:"
run kdumpkey kdump load
#@crash
#@kdump-kernel
run() { echo "\$ $*"; "$@"; code=$?; echo; return $code; }
echo "The kernel has crashed, and the kdump kernel runs. A passphrase is no help here:"
run cryptsetup open --test-passphrase root.img --key-file passphrase && exit 1
echo "The key that was handed over opens the disk, without passphrase or Argon2:"
run kdumpkey unlock root.img --from-kdump --verbose
echo "So the dump can be written, encrypted:"
{ printf '\177ELF a vmcore'; head -c 50331648 /dev/urandom; } > vmcore
run kdumpkey kdump save root.img vmcore
sha256sum < vmcore > vmcore.sum
stat -c %s vmcore > vmcore.size
rm vmcore
#@reboot
#@first-kernel
run() { echo "\$ $*"; "$@"; echo; }
echo "After the reboot, the passphrase opens the disk again, and the dump is there:"
run kdumpkey unlock root.img --key-file passphrase --to vmcore --length "$(cat vmcore.size)"
sha256sum < vmcore | cmp - vmcore.sum
echo "The dump is the one that was written, byte for byte."
