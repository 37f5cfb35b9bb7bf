#!/bin/bash
# Puts kdumpkey with its Python into a kdump initramfs, where it opens the devices in /etc/kdumpkey/devices.
#
# Made by kdumpkey kdump generate dracut.

check() {
    [[ -s ${dracutsysrootdir-}/etc/kdumpkey/devices ]] || return 1
    # mkdumprd says that it is at work; any other initramfs has it only where it is asked for by name.
    [[ ${IN_KDUMP-} == 1 ]] && return 0
    # SUSE's mkdumprd asks for its own module by name.
    [[ " ${add_dracutmodules-} ${force_add_dracutmodules-} " == *" kdump "* ]] && return 0
    return 255
}

depends() {
    echo dm
}

installkernel() {
    local -a modules
    # What this kernel has loaded for encryption is what the kdump kernel will want for the same devices.
    mapfile -t modules < <(sed -n 's/^module *: *//p' /proc/crypto | grep -vx kernel | sort -u)
    hostonly='' instmods dm_crypt configfs crypto-aes crypto-xts crypto-cbc crypto-essiv crypto-sha256 "${modules[@]}"
}

# shellcheck disable=SC2154 # dracut sets them
install() {
    inst_multiple grep mkdir modprobe mount readlink sleep
    inst_simple /etc/kdumpkey/devices
    inst_script "$moddir/unlock.sh" /sbin/kdumpkey-unlock
    inst_hook initqueue/settled 20 "$moddir/settled.sh"
    inst_hook initqueue/finished 20 "$moddir/finished.sh"
    dracut_need_initqueue
    # Nobody is there to type what these would have asked for.
    rm -f "$initdir"/etc/cmdline.d/*crypt*.conf
    [[ -e $initdir/etc/crypttab ]] && : > "$initdir/etc/crypttab"
    if ! @KDUMPKEY@ kdump install "$initdir"; then
        # Better no initramfs, which is noticed now, than one that opens nothing.
        dfatal "kdumpkey could not be put into the initramfs."
        exit 1
    fi
}
