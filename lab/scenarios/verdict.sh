# The doctor's verdict before a crash, and whether the crash proves it right: the hook that kdump generate makes opens
# the disk in the kdump kernel, and the dump is written; or it does not, for the reason that the doctor gave.
# shellcheck shell=sh

first() {
    arm 0 "$armed" --key-file "/lab/$key"
    ends "$verdict" kdumpkey kdump doctor /dev/vda
    if [ "$verdict" = 0 ]; then says 'A crash now would leave a dump'; else says 'BROKEN'; fi
    crash
}

kdump() {
    # As udev would have made them.
    mkdir -p /dev/disk/by-uuid
    ln -s ../../vda "/dev/disk/by-uuid/$uuid0"
    ln -s ../../vdd "/dev/disk/by-uuid/$uuid1"
    sh /scripts/local-top/kdumpkey >$out 2>&1
    echo "    the hook ends with $?"
    sed 's/^/    /' $out
    if [ "$verdict" = 0 ]; then
        ends 0 mount -t ext4 /dev/mapper/target /target
        ends 0 makedumpfile --message-level 1 -l -d 31 /proc/vmcore /target/vmcore
        echo "LAB vmcore $(sha256sum </target/vmcore)"
        ends 0 umount /target
        ends 0 kdumpkey close target
    else
        same "what holds the disk" "$(ls /sys/class/block/vda/holders)" ""
    fi
}
