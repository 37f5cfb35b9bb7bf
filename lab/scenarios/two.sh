# Two devices under one load, each with its own passphrase, each opened by its own key.
# shellcheck shell=sh

first() {
    # One passphrase for both is not there: each device is unlocked on its own, and linked by the name kdump looks for.
    ends 0 kdumpkey open --test-passphrase /dev/vdd --key-file /lab/other \
        --link-vk-to-keyring "@u::%user:kdump-cryptsetup:vk-$uuid1"
    arm 0 /dev/vda /dev/vdd --key-file /lab/pass
    ends 0 kdumpkey kdump status
    says "Holds key: +kdump-cryptsetup:vk-$uuid0" "Holds key: +kdump-cryptsetup:vk-$uuid1"
    crash
}

kdump() {
    for device in /dev/vda /dev/vdd; do
        ends 0 kdumpkey unlock $device --from-kdump --to /tmp/plain
        same "the plaintext of $device" "$(sha256sum </tmp/plain)" "$pattern  -"
        rm /tmp/plain
    done
}
