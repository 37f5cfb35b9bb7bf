# Two devices under one load, each with its own passphrase, each opened by its own key.
# shellcheck shell=sh

first() {
    # As crypttab's link-volume-key= leaves them when the devices were opened; a logon key nobody can read again.
    ends 0 kdumpkey open --test-passphrase /dev/vda --key-file /lab/pass \
        --link-vk-to-keyring "@u::%logon:kdump-cryptsetup:vk-$uuid0"
    ends 0 kdumpkey open --test-passphrase /dev/vdd --key-file /lab/other \
        --link-vk-to-keyring "@u::%user:kdump-cryptsetup:vk-$uuid1"
    arm 0 /dev/vda /dev/vdd --from-keyring
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
