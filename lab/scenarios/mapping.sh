# Mappings: what kdumpkey makes cryptsetup understands, and the other way round, of LUKS2, of LUKS1, of an image file.
# shellcheck shell=sh

first() {
    # /dev/vda: LUKS2, sectors of 4096; vdd: LUKS1; vde: LUKS2, sectors of 512, flags in its header.
    for device in /dev/vda /dev/vdd /dev/vde; do
        echo "-- $device"
        ends 0 kdumpkey open $device one --key-file /lab/pass
        alike one
        same "the plaintext" "$(head -c 4194304 /dev/mapper/one | sha256sum)" "$pattern  -"
        dmsetup table one --showkeys
        ends 5 kdumpkey open $device two --key-file /lab/pass
        says 'which is in use'
        ends 5 kdumpkey open /dev/vda one --key-file /lab/pass
        ends 0 cryptsetup close one
        ends 0 cryptsetup open $device one --key-file /lab/pass
        alike one
        same "the plaintext" "$(head -c 4194304 /dev/mapper/one | sha256sum)" "$pattern  -"
        ends 0 kdumpkey close one
        alike one
    done

    echo "-- options"
    ends 0 kdumpkey open /dev/vda one --key-file /lab/pass --readonly --allow-discards --perf-no_read_workqueue
    alike one
    same "writing to it" "$(dd if=/dev/zero of=/dev/mapper/one bs=4096 count=1 >/dev/null 2>&1 && echo yes)" ""
    ends 0 kdumpkey close one

    echo "-- nothing written to the table or the command line holds the key"
    ends 0 kdumpkey unlock /dev/vda --map one --key-file /lab/pass
    kdumpkey luksDump /dev/vda --dump-volume-key -q --key-file /lab/pass 2>&1 | grep -A 9 'MK dump\|Volume key' |
        sed 's/.*://' | tr -d ' \n\t' >/tmp/key
    at_most "minus the digits of the key" $((0 - $(wc -c </tmp/key))) -128
    dmsetup table one --showkeys >$out
    if grep -q "$(cut -c 1-32 /tmp/key)" $out; then wrong "the table shows the key"; else ok "the table shows no key"; fi
    says ':64:logon:cryptsetup:'
    same "the key in the session keyring" "$(keyctl search @s logon "cryptsetup:$uuid0-d0" 2>/dev/null)" ""

    echo "-- in use"
    ends 0 dmsetup create above --table "0 8 linear /dev/mapper/one 0"
    ends 5 kdumpkey close one
    says 'Device one is still in use.'
    ends 0 kdumpkey close one --deferred
    alike one
    ends 0 kdumpkey close one --cancel-deferred
    ends 0 dmsetup remove above
    ends 0 kdumpkey close one
    ends 4 kdumpkey close one
    says 'Device one is not active.'

    echo "-- an image file"
    dd if=/dev/vda of=/tmp/image bs=1M 2>/dev/null
    ends 0 kdumpkey open /tmp/image one --key-file /lab/pass
    alike one
    same "the plaintext" "$(head -c 4194304 /dev/mapper/one | sha256sum)" "$pattern  -"
    ends 0 kdumpkey close one
    same "loop devices that are left" "$(losetup -a)" ""

    echo "-- a device in use is not formatted"
    ends 0 kdumpkey open /dev/vda one --key-file /lab/pass
    ends 5 kdumpkey luksFormat -q /dev/vda --key-file /lab/pass
    says 'in use'
    ends 0 kdumpkey close one

    echo "-- a wrong passphrase, a wrong name"
    ends 2 kdumpkey open /dev/vda one --key-file /lab/other
    alike one
    ends 1 kdumpkey open /dev/vda a/b --key-file /lab/pass
    ends 0 test "$(dmsetup ls)" = "No devices found"
}
