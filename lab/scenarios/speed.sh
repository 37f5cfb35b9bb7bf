# How long the kdump kernel takes from exec to a mapped disk, and what memory, beside a typer program that does nothing.
# shellcheck shell=sh

first() {
    arm 0 /dev/vda --key-file /lab/pass
    crash
}

# Seconds and KiB of a command; busybox writes them in a line of their own.
measured() {
    time -f "took %e %M" "$@" 2>&1 >/dev/null </dev/null | awk '$1 == "took" { print $2, $3 }'
}

kdump() {
    # What is read from the initramfs the first time is read by both, once.
    ends 0 kdumpkey unlock /dev/vda --map target --from-kdump
    ends 0 kdumpkey close target
    ends 0 python3 -m bare
    for turn in 1 2 3 4 5; do
        echo "bare $(measured python3 -m bare)"
        echo "map $(measured python3 -m kdumpkey unlock /dev/vda --map target --from-kdump)"
        ends 0 test -b /dev/mapper/target
        ends 0 dmsetup remove --verifyudev target
    done | tee /tmp/times
    # A median of five; the unit of the memory is found out by a process that says its own.
    own=$(time -f "took %M" python3 -c 'print(open("/proc/self/status").read())' 2>&1 |
        awk '$1 == "VmHWM:" { says = $2 } $1 == "took" { print int($2 / says + 0.5) }')
    median() { awk -v what="$1" -v of="$2" '$1 == what { print $of }' /tmp/times | sort -n | sed -n 3p; }
    bare=$(median bare 2)
    map=$(median map 2)
    echo "from exec to mapped $map s, bare typer $bare s; $(median map 3) over $own KiB"
    at_most "hundredths of a bare typer program's time" \
        "$(awk -v map="$map" -v bare="$bare" 'BEGIN { print int(100 * map / bare + 0.5) }')" 150
    at_most "peak KiB" $(($(median map 3) / own)) 51200
}
