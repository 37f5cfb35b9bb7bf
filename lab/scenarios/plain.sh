# A plain dm-crypt mapping: no header says anything of it, the kernel hands its key over all the same.
# shellcheck shell=sh

first() {
    head -c 32 /dev/urandom >/tmp/key
    ends 0 cryptsetup open --type plain --cipher aes-xts-plain64 --key-size 256 --key-file /tmp/key /dev/vda plain
    head -c 1048576 /dev/urandom >/tmp/content
    dd if=/tmp/content of=/dev/mapper/plain bs=1M 2>/dev/null
    sync
    sha256sum </tmp/content >/tmp/sum
    dd if=/tmp/sum of=/dev/mapper/plain bs=1M seek=1 2>/dev/null
    sync
    keyctl padd logon plain:lab @u </tmp/key >/dev/null
    rm /tmp/key
    ends 0 kdumpkey kdump name plain:lab
    load 0
    ends 0 kdumpkey kdump status
    says 'Holds key: +plain:lab'
    crash
}

kdump() {
    ends 0 kdumpkey kdump restore
    echo "0 $(($(cat /sys/block/vda/size))) crypt aes-xts-plain64 :32:user:plain:lab 0 /dev/vda 0" >/tmp/table
    ends 0 dmsetup create plain /tmp/table
    written=$(dd if=/dev/mapper/plain bs=1M skip=1 count=1 2>/dev/null | head -n 1)
    same "the plaintext" "$(head -c 1048576 /dev/mapper/plain | sha256sum)" "$written"
}
