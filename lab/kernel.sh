#!/usr/bin/env bash
# Build the lab's kernel: the newest linux-source package there is, tinyconfig and fragment.config. Prints the path
# of the bzImage, which is cached by the source's version and the fragment.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cache=${KDUMPKEY_LAB_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/kdumpkey-lab}
suites=${KDUMPKEY_LAB_SUITES:-"trixie-backports sid"}
mkdir -p "$cache/apt/lists/partial" "$cache/apt/archives/partial"

# An apt configuration of its own, from the machine's own mirror: only the suite is another.
# shellcheck disable=SC2016  # these are apt's own fields
mirror=$(apt-get indextargets --format '$(SITE) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' |
    awk '$2 ~ /^[a-z]+$/ && $3 == "main" { print $1; exit }')
[ -n "$mirror" ] || { echo "apt's configuration names no mirror; apt-get update first" >&2; exit 1; }
for suite in $suites; do
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $suite main"
done >"$cache/apt/sources.list"
apt() {
    command "$@" -o Dir::Etc::sourcelist="$cache/apt/sources.list" -o Dir::Etc::sourceparts=/dev/null \
        -o Dir::State::lists="$cache/apt/lists" -o Dir::Cache="$cache/apt" -o APT::Sandbox::User=root
}
# What make says, as a number of steps: on a terminal a line that changes, elsewhere a line a minute.
progress() {
    local steps=0 shown=-1 every=60 ending='\n'
    if [ -t 2 ]; then every=1 ending='\r'; fi
    SECONDS=0
    while IFS= read -r _; do
        steps=$((steps + 1))
        if [ $((SECONDS / every)) != "$shown" ]; then
            shown=$((SECONDS / every))
            # shellcheck disable=SC2059  # the ending is this function's own
            printf "lab: %d steps in %d s$ending" "$steps" "$SECONDS"
        fi
    done
    printf 'lab: %d steps in %d s\n' "$steps" "$SECONDS"
}

apt apt-get update --quiet=2 >&2
package=$(apt apt-cache pkgnames linux-source- | grep -E '^linux-source-[0-9.]+$' | sort -V | tail -1)
version=$(apt apt-cache show "$package" | awk '$1 == "Version:" { print $2; exit }')
key=$(printf '%s\n' "$version" | cat - "$here/fragment.config" | sha256sum | cut -c1-16)
image=$cache/bzImage-$key
if [ ! -e "$image" ]; then
    echo "lab: building a kernel from $package $version" >&2
    tree=$cache/build-$key
    rm -rf "$tree"
    mkdir -p "$tree"
    (cd "$tree" && apt apt-get download --quiet=2 "$package" >&2)
    dpkg-deb --fsys-tarfile "$tree"/*.deb | tar -x -C "$tree" --wildcards './usr/src/linux-source-*.tar.xz'
    tar -x -f "$tree"/usr/src/linux-source-*.tar.xz -C "$tree" --strip-components=1
    make -C "$tree" --silent tinyconfig >&2
    (cd "$tree" && scripts/kconfig/merge_config.sh -m .config "$here/fragment.config" >/dev/null)
    make -C "$tree" --silent olddefconfig >&2
    grep -q '^CONFIG_CRASH_DM_CRYPT=y' "$tree/.config" || { echo "CRASH_DM_CRYPT is not there" >&2; exit 1; }
    make -C "$tree" -j "${KDUMPKEY_LAB_JOBS:-$(nproc)}" bzImage 2>"$tree/errors" | progress >&2 ||
        { cat "$tree/errors" >&2; exit 1; }
    mv "$tree/arch/x86/boot/bzImage" "$image.new"
    mv "$image.new" "$image"
    rm -rf "$tree"
fi
echo "$image"
