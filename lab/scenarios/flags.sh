# Flags that a header keeps for every time it is opened: kdumpkey and cryptsetup write and heed the same.
# shellcheck shell=sh

first() {
    for options in '--allow-discards --perf-no_write_workqueue' '--perf-same_cpu_crypt' ''; do
        for program in kdumpkey cryptsetup; do
            # shellcheck disable=SC2086  # several words
            ends 0 $program open /dev/vda one --key-file /lab/pass --persistent $options
            ends 0 $program close one
            kdumpkey luksDump --dump-json-metadata /dev/vda >/tmp/flags-$program
            ends 0 $program open /dev/vda one --key-file /lab/pass
            alike one
            ends 0 $program close one
        done
        if cmp -s /tmp/flags-kdumpkey /tmp/flags-cryptsetup; then ok "both keep '$options'"; else
            wrong "they keep '$options' otherwise"
            grep -h -A 9 '"config"' /tmp/flags-kdumpkey /tmp/flags-cryptsetup
        fi
    done
    ends 0 kdumpkey open /dev/vdd one --key-file /lab/pass --persistent --allow-discards
    says 'Device activated but cannot make flags persistent'
    ends 0 cryptsetup close one
    ends 0 cryptsetup open /dev/vdd one --key-file /lab/pass --persistent --allow-discards
    says 'Device activated but cannot make flags persistent'
    ends 0 cryptsetup close one
}
