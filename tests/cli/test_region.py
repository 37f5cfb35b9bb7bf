"""region show, simulate, entropy, compare: what they print, refuse and draw."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest

from both import Result, ours

FRAGMENTED = ["--crashkernel", "160M", "--kernel-size", "70M", "--initrd-size", "60M"]


def region(*words: str | Path) -> Result:
    return ours(["region", *words])


def test_show_draws_one_layout_and_says_where_the_keys_are() -> None:
    result = region("show", "--seed", "4711")
    assert (result.code, result.err) == (0, "")
    lines = result.out.splitlines()
    assert lines[0].startswith("256 MiB reserved at 0x20000000, policy upstream: elfcorehdr 900 KiB,")
    assert lines[3] == "[e...*...............................iiiiiiiiiiKKKKKKKKKKKKKKKKKb]"
    assert "    0x21267000      0x21268000       4 KiB  * dm_crypt_keys, page 4711" in lines
    assert sum("free" in line for line in lines) == 3


def test_show_places_at_random_where_nothing_is_said() -> None:
    places = {json.loads(region("show", "--json", "--policy", "hardened").out)["draw"] for _ in range(4)}
    assert len(places) > 1


def test_a_load_that_fails_is_exit_1_and_names_what_has_no_room() -> None:
    result = region("show", *FRAGMENTED, "--seed", "20000")
    assert result.code == 1
    assert result.out == ""
    assert (
        result.err
        == "EADDRNOTAVAIL: Draw 20000 of 65536: there is no room for initrd in the reserved memory.\n"
    )
    assert region("show", *FRAGMENTED, "--seed", "20000", "--policy", "hardened").code == 0


def test_json_has_every_segment() -> None:
    found = json.loads(region("show", "--json", "--seed", "4711", "--keys", "128").out)
    assert [each["name"] for each in found["segments"]] == [
        *("elfcorehdr", "dm_crypt_keys", "purgatory", "boot_params", "kernel", "initrd")
    ]
    assert found["segments"][1] == {"name": "dm_crypt_keys", "start": 0x21267000, "bytes": 13 * 4096}
    assert (found["policy"], found["base"], found["size_bytes"]) == ("upstream", 0x20000000, 256 << 20)


def test_entropy_gives_the_exact_numbers() -> None:
    assert region("entropy", *FRAGMENTED).out.splitlines()[3:] == [
        "draws              65536, each equally likely",
        "load fails         40.6 % of them: no room for a segment",
        "reachable pages    24119 of 40960",
        "Shannon entropy    14.43 bits",
        "min-entropy        6.75 bits",
        "likeliest page     225 (0x200e1000), with a probability of 0.927 %",
    ]
    found = json.loads(region("entropy", "--json", *FRAGMENTED).out)
    assert (found["failures"], found["reachable_pages"], found["likeliest_page"]) == (26586, 24119, 225)


def test_compare_shows_that_hardened_never_fails_where_upstream_does() -> None:
    assert region("compare", *FRAGMENTED).out.splitlines()[2:] == [
        "                                    v1      upstream      hardened",
        "load fails                      40.6 %        40.6 %           0 %",
        "reachable pages                  24119         24119          7448",
        "Shannon entropy, bits            14.43         14.43         12.86",
        "min-entropy, bits                 6.75          6.75         12.86",
    ]
    policies = json.loads(region("compare", "--json", *FRAGMENTED).out)["policies"]
    assert policies["hardened"]["failures"] == 0 < policies["upstream"]["failures"]


def test_simulate_shows_what_was_seen_beside_what_is_expected() -> None:
    lines = region("simulate", "--seed", "1", *FRAGMENTED, "--samples", "1000").out.splitlines()
    rows = [line.split() for line in lines[4:]]
    assert sum(int(row[1]) for row in rows) == 1000
    assert sum(float(row[2]) for row in rows) == pytest.approx(1000, abs=1)
    assert rows[-1][0] == "failed"
    assert region("simulate", "--seed", "1", *FRAGMENTED, "--samples", "1000").out.splitlines() == lines
    found = json.loads(region("simulate", "--json", *FRAGMENTED, "--samples", "5").out)
    assert (found["samples"], found["exact"]["failures"]) == (5, 26586)


def test_sizes_come_from_real_files(tmp_path: Path) -> None:
    head = bytearray(0x268)
    head[0x202:0x208] = b"HdrS\x0f\x02"
    head[0x260:0x264] = struct.pack("<I", 50 << 20)
    (tmp_path / "bzImage").write_bytes(head)
    (tmp_path / "initrd").write_bytes(bytes(5 << 20))
    result = region("compare", "--kernel", tmp_path / "bzImage", "--initrd", tmp_path / "initrd")
    assert "kernel 50 MiB, initrd 5 MiB" in result.out
    for words, code in (
        (("--kernel", tmp_path / "initrd"), 1),
        (("--kernel", tmp_path / "none"), 4),
        (("--initrd", tmp_path / "none"), 4),
    ):
        result = region("show", *words)
        assert result.code == code
        assert str(words[1]) in result.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["show", "--policy", "best"], "--policy can be only v1, upstream, hardened"),
        (["show", "--crashkernel", "lots"], "crashkernel=lots cannot be understood"),
        (["show", "--crashkernel", "8G-:256M", "--ram", "4G"], "reserves nothing on a machine with 4096 MiB"),
        (["show", "--crashkernel", "1000"], "not a whole number of pages"),
        (["show", "--keys", "0"], "1 to 128"),
        (["show", "--keys", "129"], "1 to 128"),
        (["simulate", "--samples", "0"], "--samples can be"),
        (["simulate", "--samples", "999999999"], "--samples can be"),
        (["compare", "--policy", "v1"], "--policy is not allowed"),
        (["show", "extra"], "takes no 'extra'"),
        (["show", "--plot", "x.pdf"], "called .png or .svg"),
        (["show", "--plot", "/nonexistent/x.png"], "Cannot write /nonexistent/x.png"),
    ],
)
def test_what_cannot_be_is_refused(words: list[str], message: str) -> None:
    result = region(*words)
    assert result.code == 1
    assert message in result.err


@pytest.mark.parametrize("action", ["show", "entropy", "simulate", "compare"])
def test_a_picture_of_the_asked_kind_is_drawn(tmp_path: Path, action: str) -> None:
    pytest.importorskip("matplotlib", reason="matplotlib, of the extra [plot], is not installed")
    for name in ("a.png", "a.svg"):
        assert (
            region(action, "--seed", "1", "--plot", tmp_path / name).code == 0
            if action
            in (
                "show",
                "simulate",
            )
            else region(action, "--plot", tmp_path / name).code == 0
        )
    png = (tmp_path / "a.png").read_bytes()
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", png[16:24])
    assert width == 1350
    assert height >= 400
    svg = (tmp_path / "a.svg").read_text()
    assert svg.lstrip().startswith("<?xml")
    assert "MiB from the start" in svg or "<path" in svg
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "a.svg"]
