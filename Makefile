# Every target does its own set-up: Python >= 3.11 with venv, a C compiler and make are all that must be there.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CC_ASAN ?= cc
LOCK := requirements-dev.lock
NATIVE_SOURCES := $(wildcard cext/*/kdk_*.c cext/*/*.h cext/*/*.inc cext/*/*.pyx cext/*/*.pxi) setup.py
C_SOURCES := $(wildcard cext/*/kdk_*.[ch] cext/*/*.inc tests/c/*.c bench/*.c)
GENERATED := $(patsubst %.pyx,%.c,$(wildcard cext/*/*.pyx))

.PHONY: coverage docs typer-releases compat lab lock man build demo test test-all test-pythons bench bench-once lint format asan dist clean
build: $(VENV)/native.stamp
	@$(BIN)/python -m compileall -q src/kdumpkey  # as installing does: where bytecode is not kept, each start would compile anew

$(VENV)/python.stamp:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "kdumpkey needs Python 3.11 or newer; name one: make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -m venv --clear $(VENV) || { echo "this Python has no venv module (Debian: apt-get install python3-venv)"; exit 1; }
	touch $@

$(VENV)/deps.stamp: $(VENV)/python.stamp $(LOCK) pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement $(LOCK)
	touch $@

$(VENV)/native.stamp: $(VENV)/deps.stamp $(NATIVE_SOURCES)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps --editable .
	@$(BIN)/python -m pip check >/dev/null || { $(BIN)/python -m pip check; echo "$(LOCK) does not fit pyproject.toml: run make lock"; exit 1; }
	touch $@

# Run it after a change to the dependencies in pyproject.toml. UPGRADE=--upgrade takes the newest releases of all of them.
lock: $(VENV)/python.stamp
	$(PYTHON) -m venv $(VENV)/lock
	$(VENV)/lock/bin/python -m pip install --quiet --disable-pip-version-check "uv>=0.8"
	$(VENV)/lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
		--custom-compile-command "make lock" --extra dev --extra bench --extra docs $(UPGRADE) --output-file $(LOCK) pyproject.toml

demo: build
	@$(BIN)/kdumpkey demo
	@echo
	@$(BIN)/python tests/demo.py

# On all processors, with few examples of the generative tests; `make test-all` tries all of them.
test: build
	$(BIN)/python -m pytest --numprocesses auto --dist loadgroup

test-all: build
	KDUMPKEY_ALL_EXAMPLES=1 $(BIN)/python -m pytest --numprocesses auto --dist loadgroup

# `make test-all`, and how much of each module of src/ it runs, also in the programs that the tests start.
coverage: build
	rm -rf .coverage
	KDUMPKEY_ALL_EXAMPLES=1 $(BIN)/python -m coverage run -m pytest --numprocesses auto --dist loadgroup
	$(BIN)/python tests/covered.py

test-pythons: build
	$(BIN)/python tests/pythons.py

# The oldest and the newest release of typer that pyproject.toml allows.
typer-releases: build
	for release in 0.26.0 0.28.0; do \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade --target $(VENV)/typer-$$release typer==$$release && \
		PYTHONPATH=$(abspath $(VENV))/typer-$$release $(BIN)/python -m pytest tests/cli/test_manners.py tests/cli/test_help.py tests/cli/test_manual.py tests/cli/test_start.py || exit 1; \
	done

# Debian: apt-get install cryptsetup-bin dpkg-dev expect jq keyutils xxd
compat: build
	tree=$$($(BIN)/python tests/cryptsetup_scripts.py) && KDUMPKEY_CRYPTSETUP_SOURCE=$$tree $(BIN)/python -m pytest tests/interop/test_cryptsetup_scripts.py

bench: build
	$(BIN)/python -m pytest bench --benchmark-only --benchmark-columns=min,median,ops --benchmark-sort=name

bench-once: build
	$(BIN)/python -m pytest bench --benchmark-disable

lint: build
	$(BIN)/ruff check src tests bench lab setup.py
	$(BIN)/ruff format --check src tests bench lab setup.py
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -P -m kdumpkey.cli.reference --check
	PATH="$(abspath $(BIN)):$$PATH" cython-lint cext
	$(BIN)/clang-format --dry-run -Werror $(C_SOURCES)

# Debian: apt-get install flex bison bc libelf-dev libssl-dev xz-utils qemu-system-x86 busybox-static cpio dmsetup e2fsprogs
lab: build
	$(BIN)/python lab/run.py --jobs 2

man: build
	$(BIN)/python -P -m kdumpkey.cli.reference

# The site, in build/site: nothing is fetched, and a warning is an error.
docs: build
	$(BIN)/python -P -m kdumpkey.cli.reference --check
	$(BIN)/sphinx-build --quiet --fail-on-warning --keep-going --nitpicky --builder html --doctree-dir build/doctrees docs build/site
	@echo "build/site/index.html"

format: $(VENV)/deps.stamp
	$(BIN)/clang-format -i $(C_SOURCES)
	$(BIN)/ruff check --fix src tests bench lab setup.py
	$(BIN)/ruff format src tests bench lab setup.py

asan: build
	CC="$(CC_ASAN)" $(BIN)/python -m pytest tests/c -k sanitized --run-sanitized

dist: build
	tests/wheel.sh $(BIN)/python

clean:
	rm -rf build dist .venv .coverage src/*.egg-info src/kdumpkey/_native/*.so $(GENERATED)
