"""token add takes the descriptions that a key of the kernel's can have, and says why it refuses others."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from both import ours, run
from fuzz.base_headers import base
from fuzz.images import image_of
from fuzz.judges import write
from tools import require_tool


@pytest.fixture
def device(tmp_path: Path) -> Path:
    path = tmp_path / "device"
    write(image_of(base("plain"), size=33554432), path)
    return path


def _exported(device: Path) -> str:
    token = json.loads(ours(["token", "export", "--token-id", "0", device]).out)
    return str(token["key_description"])


@pytest.mark.parametrize(
    "description", ["a:b", " ", ".x", "%user:x", "é\u202e", "a\nb", "\x1b[2J", "x" * 4095]
)
def test_what_the_kernel_takes_is_taken(device: Path, description: str) -> None:
    assert ours(["token", "add", "--key-description", description, device]).code == 0
    assert _exported(device) == description
    assert run([require_tool("cryptsetup"), "luksDump", device]).code == 0


@pytest.mark.parametrize(
    ("description", "reason"),
    [
        ("", "is empty"),
        ("x" * 4096, "has 4096 bytes. The kernel takes at most 4095."),
        ("é" * 2048, "has 4096 bytes. The kernel takes at most 4095."),
        (os.fsdecode(b"a\xffb"), "is not UTF-8 text"),
    ],
)
def test_what_the_kernel_or_the_header_cannot_hold_is_refused(
    device: Path, description: str, reason: str
) -> None:
    before = device.read_bytes()
    result = ours(["token", "add", "--key-description", description, device])
    assert result.code == 1
    assert reason in result.err
    assert device.read_bytes() == before
