"""The kdump commands on Linux's own interface, which a tree of files stands for."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from fake_linux import IMAGE, FakeLinux
from kdumpkey.cli.main import main
from kdumpkey.cli.streams import Streams
from kdumpkey.kdump.linux import INTERFACE


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeLinux:
    made = FakeLinux(tmp_path)
    monkeypatch.setattr("kdumpkey.kdump.linux.LinuxKernel", lambda: made.kernel)
    return made


def _run(tmp_path: Path, *words: str, **environment: str) -> tuple[int, str, str]:
    out, err = tmp_path / "out", tmp_path / "err"
    with out.open("wb") as stdout, err.open("wb") as stderr:
        streams = Streams(
            os.open(os.devnull, os.O_RDONLY), stdout.fileno(), stderr.fileno(), environment=environment
        )
        try:
            code = main(["kdump", *words], streams)
        finally:
            os.close(streams.stdin)
    return code, out.read_text(), err.read_text()


def test_status_says_what_the_record_says(fake: FakeLinux, tmp_path: Path) -> None:
    fake.keys.add("k:a")
    fake.kernel.name("k:a")
    fake.kernel.load(IMAGE)
    code, out, _ = _run(tmp_path, "status")
    assert code == 0
    assert "Image:        loaded\n" in out
    assert "Holds key:    k:a, copied" in out
    _, out, _ = _run(tmp_path, "status", "--json")
    found = json.loads(out)
    assert (found["machine"], found["holds_keys"], found["keys"][0]["description"]) == ("linux", True, "k:a")


def test_status_of_an_image_that_somebody_else_loaded_is_unknown(fake: FakeLinux, tmp_path: Path) -> None:
    fake.put("sys/kernel/kexec_crash_loaded", "1\n")
    _, out, _ = _run(tmp_path, "status")
    assert "Holds key:    UNKNOWN" in out
    assert json.loads(_run(tmp_path, "status", "--json")[1])["holds_keys"] is None


def test_status_without_an_image_says_what_a_crash_would_do(fake: FakeLinux, tmp_path: Path) -> None:
    assert "a crash would leave no dump" in _run(tmp_path, "status")[1]
    assert not fake.kernel.status().loaded


def test_reuse_forget_and_unload_reach_the_interface(fake: FakeLinux, tmp_path: Path) -> None:
    fake.keys.add("k:a")
    item = fake.kernel.name("k:a").item
    fake.kernel.load(IMAGE)
    assert _run(tmp_path, "reuse", "on")[0] == 0
    assert fake.kernel.status().reuse
    assert _run(tmp_path, "forget", item)[0] == 0
    assert fake.kernel.status().named == ()
    assert _run(tmp_path, "unload")[0] == 0
    assert not fake.kernel.status().loaded


def test_restore_is_refused_in_the_first_kernel(fake: FakeLinux, tmp_path: Path) -> None:
    code, _, err = _run(tmp_path, "restore")
    assert (code, err) == (2, "EPERM: this is not the kdump kernel\n")
    assert not (fake.root / INTERFACE / "restore").exists()


def test_a_named_machine_goes_before_this_kernel(fake: FakeLinux, tmp_path: Path) -> None:
    code, _, err = _run(tmp_path, "status", "--machine", str(tmp_path / "none"))
    assert code != 0
    assert "none" in err
    assert not fake.kernel.status().loaded
