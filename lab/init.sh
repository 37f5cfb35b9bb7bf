#!/bin/sh
# What both kernels of the lab run: the first arms itself and crashes; the second takes the key back and reads the disk.
export PATH=/bin PYTHONPATH=/site PYTHONDONTWRITEBYTECODE=1
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev 2>/dev/null
mount -t tmpfs run /run
mount -t configfs configfs /sys/kernel/config
kdumpkey() { python3 -m kdumpkey "$@"; }
say() { echo "LAB: $*"; }
disk=/dev/vda
if [ -e /proc/vmcore ]; then
    say "kdump kernel, $(grep MemTotal /proc/meminfo)"
    say "restore before: $(cat /sys/kernel/config/crash_dm_crypt_keys/restore)"
    kdumpkey unlock "$disk" --from-kdump --to /tmp/plain
    say "unlock: $?"
    say "plain: $(sha256sum </tmp/plain)"
    kdumpkey kdump status
else
    say "first kernel, $(uname -r)"
    tar -x -f /dev/vdb -C /payload
    kdumpkey kdump status
    kdumpkey kdump arm "$disk" --key-file /payload/pass --kernel /payload/bzImage --initrd /payload/initramfs.gz \
        --command-line "console=ttyS0 rootfstype=ramfs panic=10 nr_cpus=1 reset_devices" --json
    say "arm: $?"
    kdumpkey kdump status
    say "count: $(cat /sys/kernel/config/crash_dm_crypt_keys/count)"
    sync
    say "crash"
    echo c >/proc/sysrq-trigger
fi
say "end"
sync
poweroff -f
