#!/bin/sh
# How the disks of the scenarios were made, by cryptsetup 2.6.1 of Debian 12: two empty LUKS2 devices without data behind the
# header. Salts and volume keys are random, so that running it again makes others; the passphrase is no secret.
set -eu
cd "$(dirname "$0")"
passphrase='correct horse battery staple'

format() { # name, options
	name=$1
	shift
	truncate -s 6M "$name"
	printf %s "$passphrase" | cryptsetup luksFormat --batch-mode --type luks2 --luks2-keyslots-size 512K --offset 4096 \
		--label "$name" --pbkdf argon2id --key-file - "$@" "$name"
	truncate -s 2M "$name"
}
format root.img --uuid 1b2c3d4e-0001-4000-8000-6b64756d706b --pbkdf-memory 1048576 --pbkdf-parallel 4 --pbkdf-force-iterations 4
format dump.img --uuid 1b2c3d4e-0002-4000-8000-6b64756d706b --key-size 256 --pbkdf-memory 1048576 --pbkdf-parallel 4 \
	--pbkdf-force-iterations 4
# What cryptsetup filled with noise beyond the keyslot is of no use to anybody.
dd if=/dev/zero of=root.img bs=4096 seek=71 count=441 conv=notrunc status=none
dd if=/dev/zero of=dump.img bs=4096 seek=40 count=472 conv=notrunc status=none
xz -9e --force root.img dump.img
