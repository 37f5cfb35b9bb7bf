#!/bin/sh
# Build the sdist, the wheel from the sdist alone, and both once more from sources in another folder: they must be the same, byte for
# byte. Then run the tests marked every_python against the wheel in an empty environment, with no checkout on
# the path. What the sdist or the wheel lacks fails here. The two stay in dist/.
#
#   tests/wheel.sh PYTHON    PYTHON: one with `build` and what pyproject.toml builds with
#
# SOURCE_DATE_EPOCH, the date of all files in them, is that of the last commit, if the environment names no other.
set -eu

python=$1
root=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
unset PYTHONPATH
umask 022
: "${SOURCE_DATE_EPOCH:=$(git -C "$root" log -1 --format=%ct 2>/dev/null || stat -c %Y "$root/CHANGELOG.md")}"
export SOURCE_DATE_EPOCH

# build SOURCES RESULT
build() {
    "$python" -m build --no-isolation --outdir "$2" "$1" >"$work/build.log" 2>&1 || {
        cat "$work/build.log"
        exit 1
    }
}

echo "== the sdist, and the wheel from it"
build "$root" "$work/dist"
ls "$work/dist"

echo "== both once more, from another folder, in another time zone"
again="$work/another folder/with a longer name"
mkdir -p "$again"
if git -C "$root" rev-parse --git-dir >/dev/null 2>&1; then
    git -C "$root" ls-files -z --cached --others --exclude-standard | tar -C "$root" --null -T - -c | tar -C "$again" -x -m
else
    tar -xzf "$work"/dist/*.tar.gz -C "$again" --strip-components=1 -m
fi
(
    export TZ=Pacific/Auckland
    build "$again" "$work/again"
)
for made in "$work"/dist/*; do
    cmp "$made" "$work/again/${made##*/}"
    sha256sum "$made" | sed "s#$work/dist/##"
done

echo "== an empty environment"
"$python" -m venv "$work/venv"
installed="$work/venv/bin/python"
wheel=$(ls "$work"/dist/*.whl)
"$installed" -m pip install --quiet --disable-pip-version-check --require-hashes --requirement "$root/requirements-dev.lock"
# What the wheel asks for is all there.
"$installed" -m pip install --quiet --disable-pip-version-check --no-index "${wheel}[dev]"

# Besides the tests: their configuration, the C sources that some of them compile, and what others read. All as the sdist has them.
mkdir "$work/sdist" "$work/run"
tar -xzf "$work"/dist/*.tar.gz -C "$work/sdist" --strip-components=1
mv "$work/sdist/tests" "$work/sdist/cext" "$work/sdist/setup.py" "$work/sdist/pyproject.toml" "$work/sdist/requirements-dev.lock" "$work/sdist/man" "$work/sdist/completion" \
    "$work/sdist/lab" "$work/sdist/.ci" "$work/sdist/docs" "$work/sdist/README.md" "$work/run/"
cd "$work/run"

"$installed" - "$work/venv" <<'EOF'
import sys
from pathlib import Path

import kdumpkey
from kdumpkey._native import aesxts, secret

for module in (kdumpkey, aesxts, secret):
    path = Path(module.__file__).resolve()
    if not path.is_relative_to(Path(sys.argv[1]).resolve()):
        sys.exit(f"{module.__name__} comes from {path}, not from the environment")
    print(path.name, "comes from the environment")
EOF

echo "== the tests against the wheel"
export KDUMPKEY_SHARED="${KDUMPKEY_SHARED:-$root/../shared}" KDUMPKEY_CACHE="${KDUMPKEY_CACHE:-$root/.cache}"
# Those that every release of Python has to pass: `make test-all` runs the others, from the sources.
"$work/venv/bin/pytest" --numprocesses auto --dist loadgroup -m every_python tests

mkdir -p "$root/dist"
cp "$work"/dist/* "$root/dist/"
echo "in $root/dist:"
ls "$root/dist"
