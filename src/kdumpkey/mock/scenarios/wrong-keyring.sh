# The service runs in a session without a link to @u and does not find the key: a link mends it.
#@disk root.img root 64M
#@first-kernel
kdumpkey kdump name root.img --key-file passphrase
export KDUMPKEY_SESSION=service
if kdumpkey kdump load; then exit 1; fi
keyctl link @u @s
kdumpkey kdump load
#@crash
#@kdump-kernel
kdumpkey unlock root.img --from-kdump
