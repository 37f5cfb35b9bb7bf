#!/bin/sh
# Made luks1-aes128-cbc-essiv.bin (cryptsetup 2.6.1): the header and the first keyslot's area of a LUKS1 image.
# The volume key is the bytes 11, 48, 85 … (i * 37 + 11), the passphrase is "splitter".
set -eu
work=$(mktemp -d)
python3 -c "import sys; sys.stdout.buffer.write(bytes((i * 37 + 11) % 256 for i in range(16)))" >"$work/key"
truncate -s 4M "$work/image"
printf splitter | cryptsetup luksFormat --batch-mode --type luks1 --cipher aes-cbc-essiv:sha256 --key-size 128 \
    --hash sha256 --volume-key-file "$work/key" --pbkdf pbkdf2 --pbkdf-force-iterations 1000 \
    --use-urandom --key-file - "$work/image"
head -c $((4096 + 16 * 4000)) "$work/image" >"$(dirname "$0")/luks1-aes128-cbc-essiv.bin"
rm -r "$work"
