#!/bin/sh
# Opens the devices in /etc/kdumpkey/devices with the keys that the crashed kernel handed over.
#
# Made by kdumpkey kdump generate, for the kdump kernel's initramfs; in any other it does nothing. Each device
# is tried once: a second run goes on with those that had not appeared at the first.
# Usage: unlock.sh [SECONDS to wait for a device]
case "${1-}" in
prereqs) exit 0 ;;
esac
[ -e /proc/vmcore ] || exit 0

restore=/sys/kernel/config/crash_dm_crypt_keys/restore
tried=/run/kdumpkey
mkdir -p "$tried"

say() {
	printf 'kdumpkey: %s\n' "$1" >&2
}

appears() { # path, seconds
	left=$2
	until [ -e "$1" ]; do
		[ "$left" -gt 0 ] || return 1
		left=$((left - 1))
		sleep 1
	done
}

# Whoever else is in this initramfs may have opened it, by whatever name.
is_open() { # link to a block device
	block=$(readlink -f "$1")
	for holder in "/sys/class/block/${block##*/}/holders/"*; do
		[ -e "$holder" ] && return 0
	done
	return 1
}

has_keys() {
	[ -e "$restore" ] && return 0
	for module in configfs dm_crypt; do
		modprobe -q "$module" 2>/dev/null
	done
	grep -q ' /sys/kernel/config ' /proc/mounts || mount -t configfs configfs /sys/kernel/config
	appears "$restore" "$patience"
}

failed=0
patience=10
while read -r uuid name; do
	case "$uuid" in
	'' | '#'*) continue ;;
	esac
	[ -e "$tried/$uuid" ] && continue
	device=/dev/disk/by-uuid/$uuid
	if ! appears "$device" "${1:-30}"; then
		[ -n "${1-}" ] || say "$device has not appeared"
		failed=1
		continue
	fi
	: >"$tried/$uuid"
	is_open "$device" && continue
	if ! has_keys; then
		patience=0
		say "this kernel was handed no keys: there is no $restore"
		failed=1
	elif ! kdumpkey-capture open "$device" "$name" </dev/null; then
		say "$device was not opened as $name"
		failed=1
	fi
done </etc/kdumpkey/devices
exit "$failed"
