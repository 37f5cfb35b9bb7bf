# The key goes over: kdumpkey arms the first kernel; in the kdump kernel kdumpkey, or cryptsetup, maps the disk by the
# key; makedumpfile writes the vmcore to ext4 on LUKS, where the host looks for it afterwards.
# shellcheck shell=sh

first() {
    arm 0 /dev/vda --key-file /lab/pass
    ends 0 kdumpkey kdump status
    says 'Image: +loaded' 'by the record of its load'
    same "the number of items at rest" "$(cat $interface/count)" 0
    crash
}

kdump() {
    if [ "$by" = cryptsetup ]; then
        same "restore beforehand" "$(cat $interface/restore)" 0
        echo 1 >$interface/restore
        ends 0 cryptsetup open --volume-key-keyring "%user:kdump-cryptsetup:vk-$uuid0" /dev/vda target
    else
        ends 0 capture open /dev/vda target
    fi
    ends 0 mount -t ext4 /dev/mapper/target /target
    ends 0 makedumpfile --message-level 1 -l -d 31 /proc/vmcore /target/vmcore
    echo "LAB vmcore $(sha256sum </target/vmcore)"
    ends 0 umount /target
    ends 0 kdumpkey close target
}
