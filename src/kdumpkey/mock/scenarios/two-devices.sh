# Two disks with two volume keys: both are handed over, and each opens with its own.
#@disk root.img root 64M
#@disk dump.img dump 64M
#@first-kernel
for disk in root.img dump.img; do
	uuid=$(cryptsetup luksUUID $disk)
	cryptsetup open --test-passphrase $disk --key-file passphrase --link-vk-to-keyring "@u::%logon:kdump-cryptsetup:vk-$uuid"
	kdumpkey kdump name --key-description "kdump-cryptsetup:vk-$uuid"
done
kdumpkey kdump load
#@crash
#@kdump-kernel
kdumpkey kdump restore
for disk in root.img dump.img; do
	uuid=$(cryptsetup luksUUID $disk)
	cryptsetup open --test-passphrase $disk --volume-key-keyring "%user:kdump-cryptsetup:vk-$uuid"
done
