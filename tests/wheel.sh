#!/bin/sh
# Build the sdist, the wheel from the sdist alone, and run the tests against the wheel in an empty environment, with no checkout on
# the path. What the sdist or the wheel lacks fails here. The two stay in dist/.
#
#   tests/wheel.sh PYTHON    PYTHON: one with `build` and what pyproject.toml builds with
set -eu

python=$1
root=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
unset PYTHONPATH

echo "== the sdist, and the wheel from it"
"$python" -m build --no-isolation --outdir "$work/dist" "$root" >"$work/build.log" 2>&1 || {
    cat "$work/build.log"
    exit 1
}
ls "$work/dist"

echo "== an empty environment"
"$python" -m venv "$work/venv"
installed="$work/venv/bin/python"
wheel=$(ls "$work"/dist/*.whl)
"$installed" -m pip install --quiet --disable-pip-version-check "${wheel}[dev]"

# Besides the tests: their configuration, and the C sources that some of them compile. All as the sdist has them.
mkdir "$work/sdist" "$work/run"
tar -xzf "$work"/dist/*.tar.gz -C "$work/sdist" --strip-components=1
mv "$work/sdist/tests" "$work/sdist/cext" "$work/sdist/pyproject.toml" "$work/sdist/man" "$work/sdist/completion" \
    "$work/run/"
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
"$work/venv/bin/pytest" tests

mkdir -p "$root/dist"
cp "$work"/dist/* "$root/dist/"
echo "in $root/dist:"
ls "$root/dist"
