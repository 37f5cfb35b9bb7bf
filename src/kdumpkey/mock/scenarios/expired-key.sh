# The key's 300 seconds are over before the kdump service loads the image: ENOKEY, and no crash image. Exit code 1.
#@disk root.img root 64M
#@first-kernel
kdumpkey kdump name root.img --key-file passphrase --key-timeout 300
kdumpkey kdump load
kdumpkey kdump wait 301
kdumpkey kdump status
# A reload, as after a change of memory: it fails, and the image that was loaded is gone.
kdumpkey kdump load || echo "the load failed"
kdumpkey kdump status
#@crash
