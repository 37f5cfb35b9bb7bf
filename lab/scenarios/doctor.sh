# What the doctor says in one state after the other, each with what the kernel then makes of it.
# shellcheck shell=sh

told() { cat $interface/count $interface/reuse /sys/kernel/kexec_crash_loaded; keyctl rlist @u; }

# doctor CODE: its verdict; asking changes nothing.
doctor() {
    before=$(told)
    ends "$1" kdumpkey kdump doctor /dev/vda
    [ "$(told)" = "$before" ] || wrong "asking the doctor changed what the kernel was told"
}

first() {
    unpacked_payload
    # A load as any program makes it: with the keyrings that its caller has, and without a record.
    cat >/tmp/load.py <<'END'
from pathlib import Path
from kdumpkey.kernel.protocol import CrashImage
from kdumpkey.kernel.linux.kexec import load_crash_image
load_crash_image(CrashImage(kernel=Path("/payload/bzImage"), initrd=Path("/payload/initramfs.gz"), command_line="x"))
END
    description=kdump-cryptsetup:vk-$uuid0

    echo "-- nothing is loaded"
    doctor 1
    says 'BROKEN +image +No crash image is loaded' 'BROKEN +key .*in no keyring'

    echo "-- the key is there, and this caller's keyrings do not lead to it"
    ends 0 kdumpkey open --test-passphrase /dev/vda --key-file /lab/pass --link-vk-to-keyring "@u::%logon:$description"
    mkdir $interface/one
    echo "$description" >$interface/one/description
    ends 1 keyctl session lonely sh -c 'keyctl unlink @u @s >/dev/null 2>&1; python3 -m kdumpkey kdump doctor /dev/vda'
    says 'BROKEN +reach .*session keyring of this caller does not' 'keyctl link @u @s'
    ends 1 keyctl session lonely sh -c 'keyctl unlink @u @s >/dev/null 2>&1; exec python3 /tmp/load.py'
    says 'Required key not available'

    echo "-- and where they do, the load is as the doctor says"
    ends 0 python3 /tmp/load.py
    doctor 10
    says 'cannot tell +image-key .*No record says whether the image' 'ok +reach'
    ends 0 kdumpkey kdump unload

    echo "-- the key has expired"
    ends 0 keyctl timeout "$(keyctl search @u logon "$description")" 1
    sleep 2
    doctor 1
    says 'BROKEN +key .*(expired|in no keyring)'
    ends 1 python3 /tmp/load.py
    says 'Required key not available'
    rmdir $interface/one

    echo "-- an image without keys"
    ends 0 kdumpkey kdump load --kernel /payload/bzImage --initrd /payload/initramfs.gz --command-line "$kdump_line"
    doctor 1
    says 'BROKEN +image-key'

    echo "-- an item without description, and reuse"
    arm 0 /dev/vda --key-file /lab/pass
    doctor 0
    says 'A crash now would leave a dump'
    ends 0 kdumpkey kdump doctor --json /dev/vda
    mkdir $interface/one
    echo 1 >$interface/reuse
    doctor 0
    says 'warning +items' 'warning +reuse'
    same "reuse" "$(cat $interface/reuse)" 1
    echo 0 >$interface/reuse
    rmdir $interface/one

    echo "-- another user sees less, and claims no more"
    ends 10 python3 -c 'import os, runpy, sys; os.setgroups([]); os.setgid(1000); os.setuid(1000)
sys.argv = ["kdumpkey", "kdump", "doctor", "/dev/vda"]; runpy.run_module("kdumpkey", run_name="__main__")'

    echo "-- the hand-over is stale: erased, then formatted anew"
    ends 0 kdumpkey luksErase -q /dev/vda
    doctor 1
    says 'BROKEN +stale'
    ends 1 kdumpkey kdump status
    says 'STALE'
    ends 0 kdumpkey luksFormat -q --pbkdf pbkdf2 --pbkdf-force-iterations 1000 /dev/vda /lab/pass
    doctor 1
    says 'BROKEN'
    ends 1 kdumpkey kdump status
    says 'STALE'
}
