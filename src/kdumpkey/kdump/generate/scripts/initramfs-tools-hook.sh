#!/bin/sh
# Puts kdumpkey with its Python into the kdump initramfs, where it opens the devices in /etc/kdumpkey/devices.
#
# Made by kdumpkey kdump generate initramfs-tools.
case "${1-}" in
prereqs)
	echo dmsetup
	exit 0
	;;
esac
# shellcheck source=/dev/null # initramfs-tools' own
. /usr/share/initramfs-tools/hook-functions

# kdump-tools marks the configuration from which it makes its own initramfs; the others stay as small as they are.
if ! grep -qx 'KDUMP=y' "$CONFDIR/initramfs.conf"; then
	rm -f "$DESTDIR/scripts/local-top/kdumpkey"
	exit 0
fi

# What this kernel has loaded for encryption is what the kdump kernel will want for the same devices.
# shellcheck disable=SC2046 # names of modules have no blanks
manual_add_modules dm_crypt configfs crypto-aes crypto-xts crypto-cbc crypto-essiv crypto-sha256 \
	$(sed -n 's/^module *: *//p' /proc/crypto | grep -vx kernel | sort -u)
mkdir -p "$DESTDIR/etc/kdumpkey"
if ! dmsetup=$(PATH=/usr/sbin:/sbin:$PATH command -v dmsetup); then
	echo "E: kdumpkey maps devices by dmsetup, which is not installed" >&2
	exit 1
fi
if ! copy_exec "$dmsetup" || ! cp /etc/kdumpkey/devices "$DESTDIR/etc/kdumpkey/devices" ||
	! @KDUMPKEY@ kdump install "$DESTDIR"; then
	# Better no initramfs, which is noticed now, than one that opens nothing.
	echo "E: kdumpkey could not be put into the initramfs" >&2
	exit 1
fi
