# What goes wrong before a crash, and leaves the image that was loaded as it was, or says that it did not.
# shellcheck shell=sh

first() {
    description=kdump-cryptsetup:vk-$uuid0
    arm 0 /dev/vda --key-file /lab/pass

    echo "-- an expired key"
    ends 0 keyctl timeout "$(keyctl search @u logon "$description")" 1
    sleep 2
    ends 0 kdumpkey kdump name "$description"
    load 1
    says 'Required key not available'
    ends 0 kdumpkey kdump status
    says 'Image: +loaded' "Holds key: +$description"
    for item in "$interface"/*/; do ends 0 kdumpkey kdump forget "$(basename "$item")"; done

    echo "-- a wrong session keyring"
    keyctl session lonely sh -c 'keyctl unlink @u @s 2>/dev/null; python3 -m kdumpkey kdump arm /dev/vda \
        --key-file /lab/pass --kernel /payload/bzImage --initrd /payload/initramfs.gz --command-line x; python3 -m kdumpkey kdump name "'"$description"'"; \
        python3 -m kdumpkey kdump load --kernel /payload/bzImage --initrd /payload/initramfs.gz --command-line x' >$out 2>&1
    # Both link root's user keyring into their own, so the session does not matter to them.
    same "the exit code in a lonely session" $? 0
    sed 's/^/    /' $out
    for item in "$interface"/*/; do ends 0 kdumpkey kdump forget "$(basename "$item")"; done
    ends 0 kdumpkey kdump status
    says 'Image: +loaded' "Holds key: +$description"

    echo "-- a kernel that was cut short: Linux would take it"
    head -c 100000 /payload/bzImage >/tmp/broken
    ends 1 kdumpkey kdump arm /dev/vda --key-file /lab/pass --kernel /tmp/broken --command-line x
    says 'is truncated'
    ends 0 kdumpkey kdump status
    says 'Image: +loaded' "Holds key: +$description"

    echo "-- a load that fails after it has destroyed the image: the initramfs is larger than what is reserved"
    truncate -s 250M /tmp/large
    ends 1 kdumpkey kdump arm /dev/vda --key-file /lab/pass --kernel /payload/bzImage --initrd /tmp/large --command-line x
    says 'EADDRNOTAVAIL|ENOMEM' 'The image from before is loaded again, with its 1 key'
    now=$(cat /sys/kernel/kexec_crash_loaded)
    ends 0,1 kdumpkey kdump status
    if [ "$now" = 1 ]; then says 'Image: +loaded' "Holds key: +$description"; else says 'NOT LOADED'; fi
    same "the number of items at rest" "$(cat $interface/count)" 0

    echo "-- and after it all it can be armed"
    arm 0 /dev/vda --key-file /lab/pass
    ends 0 kdumpkey kdump status
    says 'Image: +loaded' "Holds key: +$description"
}
