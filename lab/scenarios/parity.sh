# The table that the simulated kernel is held against (tests/parity), on this kernel: every step comes to the same.
# shellcheck shell=sh

steps() {
    PARITY_KERNEL=/payload/bzImage PARITY_INITRD=/payload/initramfs.gz PARITY_COMMAND_LINE=$kdump_line \
        python3 /lab/parity/run.py linux "$life" "$1" >$out 2>&1
    code=$?
    sed 's/^/    /' $out
    if [ $code = 0 ]; then ok "$life: $(grep -c '^PARITY' $out) steps as in the table"; else wrong "$life: $(grep -c DIFFERENT $out) steps are not as in the table"; fi
}

first() {
    unpacked_payload
    steps first
    if [ "$crashes" = 1 ]; then crash; fi
}

kdump() { steps kdump; }
