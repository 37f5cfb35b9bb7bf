# 128 keys go over; a 129th is refused, for the kernel would take it and restore none.
# shellcheck shell=sh

first() {
    for number in $(seq 127); do
        head -c 32 /dev/urandom | keyctl padd logon "lab:key-$number" @u >/dev/null
        mkdir $interface/item$number
        echo "lab:key-$number" >$interface/item$number/description
    done
    arm 0 /dev/vda --key-file /lab/pass
    same "the number of items at rest" "$(cat $interface/count)" 127
    head -c 32 /dev/urandom | keyctl padd logon lab:key-128 @u >/dev/null
    ends 0 kdumpkey kdump name lab:key-128
    ends 1 kdumpkey kdump name lab:key-129
    arm 1 /dev/vda --key-file /lab/pass
    says '129 keys'
    same "loaded still" "$(cat /sys/kernel/kexec_crash_loaded)" 1
    crash
}

kdump() {
    ends 0 kdumpkey kdump restore
    same "the number of keys that came back" "$(keyctl rlist @u | wc -w)" 128
    ends 0 kdumpkey unlock /dev/vda --from-kdump --to /tmp/plain
    same "the plaintext" "$(sha256sum </tmp/plain)" "$pattern  -"
}
