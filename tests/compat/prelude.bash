# Read by bash before one of cryptsetup's own test scripts (as BASH_ENV): has the script use image files alone, and go on after a
# check that fails. Functions are made read-only, so that the script's own definitions of the same names do not count.
# COMPAT_SCRIPT: the script's path. COMPAT_FAILED: the file that gets a line for each check that fails.
unset BASH_ENV # for this script, not for those that it starts
if [ "$0" = "$COMPAT_SCRIPT" ]; then
    # Notes the lines of the script that led to this check, the innermost first, and the last call before it.
    fail() {
        local lines="" call="" depth
        for ((depth = 0; depth < ${#BASH_LINENO[@]} - 1; depth++)); do
            lines+="${lines:+<}${BASH_LINENO[depth]}"
        done
        IFS= read -r call <"$COMPAT_CALLS.last"
        printf '%s\t%s\n' "$lines" "$call" >>"$COMPAT_FAILED"
    }
    fail_count() { fail; }
    skip() { :; } # what cannot be had fails for every program alike, and counts for none
    _sigchld() { :; }
    remove_imgs() { :; }
    bin_check() { :; }

    id() { if [ "$*" = -u ]; then echo 0; else command id "$@"; fi; }
    sync() { :; }
    sleep() { :; }
    modprobe() { return 1; }
    rmmod() { return 1; }
    # The scripts ask dm-crypt's version for whether keyrings are worth a try.
    dmsetup() { [ "$*" = targets ] && echo "crypt v1.28.0"; }
    udevadm() { return 1; }
    mount() { return 1; }
    umount() { return 1; }
    mkfs.xfs() { return 1; }
    blockdev() { return 1; }

    # A loop device is another name of its file.
    losetup() {
        case "$1" in
            -f) [ $# -gt 1 ] && ln -f -- "$2" ./compat-loop; echo ./compat-loop ;;
            -d) rm -f -- "$2" ;;
            -*) return 1 ;;
            *) if [ $# = 1 ]; then echo "$1: [0]:0 ($1)"; else ln -f -- "$2" "$1"; fi ;;
        esac
    }
    # A SCSI disk is a file of its size.
    add_scsi_device() {
        local option
        DEV=./compat-disk
        rm -f -- "$DEV"
        for option; do
            case "$option" in dev_size_mb=*) truncate -s "${option#*=}M" "$DEV" ;; esac
        done
    }
    add_device() { add_scsi_device "$@"; }
    scsi_debug_teardown() { :; }

    readonly -f fail fail_count skip _sigchld remove_imgs bin_check id sync sleep modprobe rmmod dmsetup udevadm \
        mount umount mkfs.xfs blockdev losetup add_scsi_device add_device scsi_debug_teardown
    set -T
    trap 'export COMPAT_LINE="$LINENO<${BASH_LINENO[*]}"' DEBUG
fi
