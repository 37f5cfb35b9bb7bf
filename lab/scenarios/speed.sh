# How long the kdump kernel takes from exec to a mapped disk, and what memory, beside typer programs that do nothing:
# one as typer's own documentation has it, and one without the help option and what that imports.
# shellcheck shell=sh

first() {
    arm 0 /dev/vda --key-file /lab/pass
    crash
}

# Seconds and memory of a command; busybox writes them in a line of their own.
measured() {
    command time -f "took %e %M" "$@" 2>&1 >/dev/null </dev/null | awk '$1 == "took" { print $2, $3 }'
}

kdump() {
    # What is read the first time comes from the initramfs into no cache of anyone's: once each.
    ends 0 capture open /dev/vda target
    ends 0 kdumpkey close target
    ends 0 python3 -m bare
    ends 0 python3 -m barest
    for turn in 1 2 3 4 5; do
        echo "bare $(measured python3 -m bare)"
        echo "barest $(measured python3 -m barest)"
        echo "map $(measured python3 -m kdumpkey.capture open /dev/vda target)"
        [ -b /dev/mapper/target ] || wrong "turn $turn mapped nothing"
        dmsetup remove --verifyudev target
    done | tee /tmp/times
    # busybox has its own idea of the unit of memory: a process that says its own size tells it.
    unit=$(command time -f "took %M" python3 -c 'print(open("/proc/self/status").read())' 2>&1 |
        awk '$1 == "VmHWM:" { says = $2 } $1 == "took" { print int($2 / says + 0.5) }')
    median() { awk -v what="$1" -v of="$2" '$1 == what { print $of }' /tmp/times | sort -n | sed -n 3p; }
    hundredths() { awk -v one="$1" -v other="$2" 'BEGIN { print int(100 * one / other + 0.5) }'; }
    echo "from exec to mapped $(median map 2) s, bare typer $(median bare 2) s, without help $(median barest 2) s"
    # typer without pydantic takes half the time that it took with it: twice this one is less than 1.5 times that one.
    at_most "hundredths of a bare typer program's time" "$(hundredths "$(median map 2)" "$(median bare 2)")" 200
    echo "hundredths of one without help: $(hundredths "$(median map 2)" "$(median barest 2)")"
    at_most "peak KiB" $(($(median map 3) / unit)) 51200
}
