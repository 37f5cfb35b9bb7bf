# arm is killed at random points; whatever it left, status tells no lie, and the next arm arms.
# shellcheck shell=sh

first() {
    unpacked_payload
    arm 0 /dev/vda --key-file /lab/pass
    tries=0
    for tenths in 5 11 16 19 21 23 25 28; do
        wait_us=$((tenths * 100000 + $(od -A n -N 2 -t u2 /dev/urandom) * 2))
        python3 -m kdumpkey kdump arm /dev/vda --key-file /lab/pass --kernel /payload/bzImage \
            --initrd /payload/initramfs.gz --command-line "$kdump_line" >/dev/null 2>&1 &
        usleep $wait_us
        if kill -9 $! 2>/dev/null; then tries=$((tries + 1)); fi
        wait $! 2>/dev/null
        kdumpkey kdump status >$out 2>&1
        loaded=$(cat /sys/kernel/kexec_crash_loaded)
        left=$(cat $interface/count)
        if [ "$loaded" = 0 ] && ! grep -q 'NOT LOADED' $out; then wrong "status lies: nothing is loaded"; fi
        if [ "$loaded" = 1 ] && ! grep -q -E "vk-$uuid0|UNKNOWN" $out; then wrong "status knows of no key"; fi
        echo "    killed after $((wait_us / 1000)) ms: loaded $loaded, $left items left, $(grep 'Holds key' $out)"
    done
    ok "killed $tries times"
    arm 0 /dev/vda --key-file /lab/pass
    same "the number of items at rest" "$(cat $interface/count)" 0
    crash
}

kdump() {
    ends 0 kdumpkey unlock /dev/vda --from-kdump --to /tmp/plain
    same "the plaintext" "$(sha256sum </tmp/plain)" "$pattern  -"
}
