#!/bin/sh
# How the images in this folder were made, by cryptsetup 2.6.1 of Debian 12: a text of 256 KiB, encrypted in
# place. Salts and volume keys are random, so that running it again makes other images; SHA256SUMS has the
# plaintext's sum, and the passphrase is that of every image.
set -eu
cd "$(dirname "$0")"
passphrase='correct horse battery staple'
plaintext() {
	printf 'kdumpkey\n'
	seq -f 'line %06g: what was encrypted must come back, byte for byte' 1 5000 | head -c 262126
	printf '\nthe end\n'
}
plaintext | sha256sum | sed 's/-/plaintext/' > SHA256SUMS

encrypt() { # name, options
	name=$1
	shift
	plaintext > "$name"
	truncate -s 4456448 "$name" # 4 MiB more: the room that making the header needs
	printf %s "$passphrase" | cryptsetup reencrypt --batch-mode --encrypt --force-offline-reencrypt \
		--type luks2 --luks2-keyslots-size 512K --reduce-device-size 4M --resilience none --key-file - "$@" "$name"
	truncate -s 2359296 "$name" # the text, and not what lay behind it
}
encrypt luks2.img --pbkdf argon2id --pbkdf-memory 32768 --pbkdf-parallel 1 --pbkdf-force-iterations 4
encrypt luks1.img --key-size 256 --pbkdf pbkdf2 --pbkdf-force-iterations 20000
cryptsetup convert --batch-mode --type luks1 luks1.img
xz -9e --force luks1.img luks2.img
