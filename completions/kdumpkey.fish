complete -c kdumpkey -n __fish_use_subcommand -a argon2
complete -c kdumpkey -n __fish_use_subcommand -a benchmark
complete -c kdumpkey -n __fish_use_subcommand -a bitlkOpen
complete -c kdumpkey -n __fish_use_subcommand -a create
complete -c kdumpkey -n __fish_use_subcommand -a demo
complete -c kdumpkey -n __fish_use_subcommand -a encrypt
complete -c kdumpkey -n __fish_use_subcommand -a erase
complete -c kdumpkey -n __fish_use_subcommand -a fvault2Open
complete -c kdumpkey -n __fish_use_subcommand -a isLuks
complete -c kdumpkey -n __fish_use_subcommand -a kdump
complete -c kdumpkey -n __fish_use_subcommand -a loopaesOpen
complete -c kdumpkey -n __fish_use_subcommand -a luksAddKey
complete -c kdumpkey -n __fish_use_subcommand -a luksChangeKey
complete -c kdumpkey -n __fish_use_subcommand -a luksConvertKey
complete -c kdumpkey -n __fish_use_subcommand -a luksDump
complete -c kdumpkey -n __fish_use_subcommand -a luksErase
complete -c kdumpkey -n __fish_use_subcommand -a luksFormat
complete -c kdumpkey -n __fish_use_subcommand -a luksKillSlot
complete -c kdumpkey -n __fish_use_subcommand -a luksOpen
complete -c kdumpkey -n __fish_use_subcommand -a luksRemoveKey
complete -c kdumpkey -n __fish_use_subcommand -a luksUUID
complete -c kdumpkey -n __fish_use_subcommand -a mock
complete -c kdumpkey -n __fish_use_subcommand -a open
complete -c kdumpkey -n __fish_use_subcommand -a plainOpen
complete -c kdumpkey -n __fish_use_subcommand -a region
complete -c kdumpkey -n __fish_use_subcommand -a tcryptOpen
complete -c kdumpkey -n __fish_use_subcommand -a unlock
complete -c kdumpkey -n '__fish_seen_subcommand_from argon2' -a 'advise compare'
complete -c kdumpkey -n '__fish_seen_subcommand_from kdump' -a 'audit boot crash destroy estimate forget keyctl load name reboot restore reuse save status unload wait'
complete -c kdumpkey -n '__fish_seen_subcommand_from mock' -a 'run scenarios shell'
complete -c kdumpkey -n '__fish_seen_subcommand_from region' -a 'compare entropy show simulate'
complete -c kdumpkey -l help -s '?' -d 'Show this help, or that of an action'
complete -c kdumpkey -l usage -d 'Show a line of usage'
complete -c kdumpkey -l version -s 'V' -d 'Print the version'
complete -c kdumpkey -l batch-mode -s 'q' -d 'Ask for no confirmation'
complete -c kdumpkey -l verbose -s 'v' -d 'Say more: which keyslot, and how the command ended'
complete -c kdumpkey -l test-args -d 'Check the arguments and do nothing'
complete -c kdumpkey -l json -d 'Print the result as JSON'
complete -c kdumpkey -l key-file -s 'd' -r -d 'Read the passphrase from a file (-: standard input)'
complete -c kdumpkey -l keyfile-offset -r -d 'Skip this much of the key file'
complete -c kdumpkey -l keyfile-size -s 'l' -r -d 'Read no more than this of the key file'
complete -c kdumpkey -l volume-key-file -r -d 'The volume key itself is, or goes, here'
complete -c kdumpkey -l volume-key-keyring -r -d 'Take the volume key from a key of the kernel\'s'
complete -c kdumpkey -l link-vk-to-keyring -r -d 'Put the volume key into a keyring'
complete -c kdumpkey -l from-kdump -d 'Take the volume key that was handed over from the first kernel'
complete -c kdumpkey -l key-slot -s 'S' -r -d 'Use this keyslot alone'
complete -c kdumpkey -l tries -s 'T' -r -d 'How often a passphrase may be typed wrong (3)'
complete -c kdumpkey -l timeout -s 't' -r -d 'How long the prompt waits for a passphrase'
complete -c kdumpkey -l verify-passphrase -s 'y' -d 'Ask for the passphrase twice'
complete -c kdumpkey -l unbound -d 'Try unbound keyslots too'
complete -c kdumpkey -l kdf-memory-check -r -d 'Whether to refuse Argon2 for which memory is short'
complete -c kdumpkey -l token-only -d 'Do not ask for a passphrase'
complete -c kdumpkey -l machine -r -d 'The simulated machine (or $KDUMPKEY_MACHINE)'
complete -c kdumpkey -l session -r -d 'Call from this session of the simulated machine (login)'
complete -c kdumpkey -l policy -r -d 'How keys are placed: upstream, hardened or v1'
complete -c kdumpkey -l crashkernel -r -d 'Memory reserved for the kdump kernel (256M)'
complete -c kdumpkey -l ram -r -d 'The machine\'s memory (4G)'
complete -c kdumpkey -l kernel-size -r -d 'What the kdump kernel takes (70M)'
complete -c kdumpkey -l initrd-size -r -d 'What its initramfs takes (40M)'
complete -c kdumpkey -l kernel -r -d 'Take the kernel\'s size from this bzImage'
complete -c kdumpkey -l initrd -r -d 'Take the initramfs\'s size from this file'
complete -c kdumpkey -l keys -r -d 'How many keys are handed over (1)'
complete -c kdumpkey -l samples -r -d 'How many placements (100000)'
complete -c kdumpkey -l seed -r -d 'Make chance repeatable'
complete -c kdumpkey -l plot -r -d 'Draw it, too: a .png or .svg (needs matplotlib)'
complete -c kdumpkey -l throwaway -d 'Its keys protect nothing: do not warn of where they lie'
complete -c kdumpkey -l command-line -r -d 'The kdump kernel\'s command line'
complete -c kdumpkey -l count -r -d 'Name so many keys like this one, numbered'
complete -c kdumpkey -l key-timeout -r -d 'When the key expires (never)'
complete -c kdumpkey -l memory -r -d 'Memory to try (64M,128M,256M,512M,1024M)'
complete -c kdumpkey -l passes -r -d 'Time costs to try (4)'
complete -c kdumpkey -l parallel -r -d 'Lanes to try (1, and as many as processors)'
complete -c kdumpkey -l runs -r -d 'Runs of each, the median of which counts (3)'
complete -c kdumpkey -l reserved -r -d 'Reserved memory to judge for (128M,...,1G)'
complete -c kdumpkey -l prove -d 'Run each verdict under a real limit of memory'
complete -c kdumpkey -l csv -r -d 'Write it as CSV, too'
complete -c kdumpkey -l tiers -d 'A row for each implementation of AES-XTS'
complete -c kdumpkey -l time -r -d 'How long unlocking may take (2s)'
complete -c kdumpkey -l device -r -d 'The device to be converted'
complete -c kdumpkey -l modules-size -r -d 'What the loaded modules take'
complete -c kdumpkey -l root -r -d 'Look at the machine whose files are under DIR'
complete -c kdumpkey -l arch -r -d 'Its architecture: x86_64, aarch64, ppc64le'
complete -c kdumpkey -l release -r -d 'The kernel, of those under /boot (the newest)'
complete -c kdumpkey -l first-memory -r -d 'Memory of the first kernel\'s programs'
complete -c kdumpkey -l kdump-memory -r -d 'Memory of the kdump kernel\'s programs'
complete -c kdumpkey -l unpacked-size -r -d 'What the kdump kernel\'s initramfs takes unpacked (52M)'
complete -c kdumpkey -l header -r -d 'The header is in this file or device'
complete -c kdumpkey -l type -s 'M' -r -d 'luks, luks1 or luks2'
complete -c kdumpkey -l test-passphrase -d 'Only check the passphrase'
complete -c kdumpkey -l test -d 'Only check the key (what unlock does without --to)'
complete -c kdumpkey -l to -r -d 'Decrypt into a file, or with - to standard output'
complete -c kdumpkey -l from -r -d 'Begin here in the plaintext (K, M, G, T)'
complete -c kdumpkey -l length -r -d 'Decrypt no more than this'
complete -c kdumpkey -l sparse -d 'Leave runs of zeros as holes in the file'
complete -c kdumpkey -l force -d 'Replace the file if there is one'
complete -c kdumpkey -l dump-json-metadata -d 'Print the JSON area of a LUKS2 header'
complete -c kdumpkey -l dump-volume-key -d 'Print the volume key'
complete -c kdumpkey -l key-size -s 's' -r -d 'Size of the volume key, where the header does not say it'
