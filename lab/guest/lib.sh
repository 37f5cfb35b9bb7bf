# What the scenarios are written with. Each check is one line on the console: "LAB ok" or "LAB NOT OK".
# shellcheck shell=sh
out=/tmp/out

kdumpkey() { python3 -m kdumpkey "$@"; }
capture() { python3 -m kdumpkey.capture "$@"; }

ok() { echo "LAB ok $stage: $*"; }
wrong() { echo "LAB NOT OK $stage: $*"; }

# ends CODE COMMAND...: it ends with this exit code; several are given as 1,2. Its output is shown, and kept for `says`.
ends() {
    codes=$1
    shift
    "$@" </dev/null >$out 2>&1
    code=$?
    sed 's/^/    /' $out
    case ",$codes," in
    *",$code,"*) ok "$* ends with $code" ;;
    *) wrong "$* ends with $code, not $codes" ;;
    esac
}

# says REGEX...: what `ends` ran last said this.
says() {
    for text; do
        if grep -q -E -e "$text" $out; then ok "it says: $text"; else wrong "it does not say: $text"; fi
    done
}

# same WHAT ONE OTHER: two texts are equal.
same() {
    if [ "$2" = "$3" ]; then ok "$1 is $2"; else wrong "$1 is '$2', not '$3'"; fi
}

# at_most WHAT NUMBER LIMIT
at_most() {
    if [ "$2" -le "$3" ]; then ok "$1 is $2, at most $3"; else wrong "$1 is $2, more than $3"; fi
}

unpacked_payload() { [ -e /payload/bzImage ] || tar -x -f /dev/vdb -C /payload; }

# arm CODE WORDS...: kdumpkey kdump arm with the lab's image.
arm() {
    wanted=$1
    shift
    unpacked_payload
    ends "$wanted" kdumpkey kdump arm "$@" --kernel /payload/bzImage --initrd /payload/initramfs.gz \
        --command-line "$kdump_line"
}

uuid() { kdumpkey luksUUID "$1"; }

interface=/sys/kernel/config/crash_dm_crypt_keys
kdump_line="console=ttyS0 loglevel=4 rootfstype=ramfs panic=10 nr_cpus=1 reset_devices"

crash() {
    sync
    echo "LAB crash"
    echo c >/proc/sysrq-trigger
    wrong "it did not crash"
}

# load CODE: kdumpkey kdump load with the lab's image.
load() {
    unpacked_payload
    ends "$1" kdumpkey kdump load --kernel /payload/bzImage --initrd /payload/initramfs.gz --command-line "$kdump_line"
}

# alike NAME: kdumpkey and cryptsetup show the same of a mapping.
alike() {
    kdumpkey status "$1" >/tmp/ours 2>&1
    ours=$?
    cryptsetup status "$1" >/tmp/theirs 2>&1
    theirs=$?
    same "the exit code of status $1" $ours $theirs
    if cmp -s /tmp/ours /tmp/theirs; then ok "both show $1 alike"; else
        wrong "$1 is shown otherwise"
        sed 's/^/    ours: /' /tmp/ours
        sed 's/^/    theirs: /' /tmp/theirs
    fi
}
