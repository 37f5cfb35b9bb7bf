# bash completion for kdumpkey
_kdumpkey() {
    local current=${COMP_WORDS[COMP_CWORD]} words= word action= n=0 i
    COMPREPLY=()
    for ((i = 1; i < COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        if [[ $word != -* ]]; then n=$((n + 1)); [[ -n $action ]] || action=$word; fi
    done
    if [[ $current == -* ]]; then
        words='--help --usage --version --batch-mode --verbose --test-args --json --key-file --keyfile-offset --keyfile-size --volume-key-file --volume-key-keyring --link-vk-to-keyring --from-kdump --key-slot --tries --timeout --verify-passphrase --unbound --kdf-memory-check --token-only --machine --session --policy --crashkernel --ram --kernel-size --initrd-size --kernel --initrd --keys --samples --seed --plot --throwaway --command-line --count --key-timeout --memory --passes --parallel --runs --reserved --prove --csv --tiers --time --device --modules-size --root --arch --release --first-memory --kdump-memory --unpacked-size --header --type --test-passphrase --test --to --from --length --sparse --force --dump-json-metadata --dump-volume-key --key-size'
    elif ((n == 0)); then
        words='argon2 benchmark bitlkOpen create demo encrypt erase fvault2Open isLuks kdump loopaesOpen luksAddKey luksChangeKey luksConvertKey luksDump luksErase luksFormat luksKillSlot luksOpen luksRemoveKey luksUUID mock open plainOpen region tcryptOpen unlock'
    elif ((n == 1)); then
        case $action in
        argon2) words='advise compare' ;;
        kdump) words='audit boot crash destroy estimate forget keyctl load name reboot restore reuse save status unload wait' ;;
        mock) words='run scenarios shell' ;;
        region) words='compare entropy show simulate' ;;
        esac
    fi
    if [[ -n $words ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
    else
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
    fi
}
complete -o filenames -F _kdumpkey kdumpkey
