# Argon2id with 1 GiB: the passphrase serves in the first kernel and cannot in the kdump kernel, whose 256M the key needs
# hardly anything of. kdumpkey says so before it tries; cryptsetup finds out.
# shellcheck shell=sh

first() {
    arm 0 /dev/vda --key-file /lab/pass
    crash
}

kdump() {
    ends 3 kdumpkey unlock /dev/vda --key-file /lab/pass --to /tmp/plain
    says 'memory' 'from-kdump'
    same "what a refused unlock leaves" "$(ls /tmp/plain 2>/dev/null)" ""
    ends 1,2,3,137 cryptsetup open --test-passphrase --key-file /lab/pass /dev/vda
    ends 0 kdumpkey unlock /dev/vda --from-kdump --to /tmp/plain
    same "the plaintext" "$(sha256sum </tmp/plain)" "$pattern  -"
}
