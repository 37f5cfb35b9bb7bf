"""Every command line here means the same to kdumpkey and to cryptsetup: exit code, output and messages."""

from __future__ import annotations

from pathlib import Path

import pytest

from both import Result, ours, run

LINE = b"correct horse\n"

# What is run in the images' folder, and what it is given on standard input.
NAMES = ["luks1.img", "luks2.img", "empty", "zeros", "text", "missing", "directory", "detached.hdr"]
SAME: dict[str, bytes] = {
    # isLuks and luksUUID
    **{
        f"{action} {name}": b""
        for action in ("isLuks", "isLuks -v", "luksUUID", "luksUUID -v", "luksDump")
        for name in (
            "luks1.img",
            "luks2.img",
            "empty",
            "zeros",
            "text",
            "missing",
            "directory",
            "detached.hdr",
        )
    },
    **{
        f"isLuks --type {kind} {name}": b""
        for kind in ("luks", "luks1", "luks2", "plain", "nonsense")
        for name in ("luks1.img", "luks2.img", "zeros")
    },
    "isLuks truncated.img": b"",
    "isLuks damaged.img": b"",
    "isLuks --header detached.hdr data.img": b"",
    "isLuks data.img": b"",
    "luksUUID --header detached.hdr data.img": b"",
    "luksDump --header detached.hdr data.img": b"",
    "luksDump short.img": b"",
    "luksDump -v luks2.img": b"",
    "luksDump unbound.img": b"",
    "luksDump priority.img": b"",
    "luksDump argon.img": b"",
    "luksDump tokens.img": b"",
    "luksDump --type luks1 luks1.img": b"",
    "luksDump --dump-json-metadata luks2.img": b"",
    "luksDump --dump-json-metadata tokens.img": b"",
    "luksDump --dump-json-metadata luks1.img": b"",
    # keys shown
    "luksDump --dump-volume-key luks1.img": LINE,
    "luksDump --dump-volume-key luks2.img": LINE,
    "luksDump --dump-master-key -q luks2.img --key-file pass": b"",
    "luksDump --dump-volume-key luks2.img --key-file wrong": b"",
    "luksDump --dump-volume-key -q luks2.img": b"wrong\n",
    "luksDump --dump-volume-key -q luks2.img --volume-key-file luks2.img.vk": LINE,
    "luksDump --unbound -S 7 -q unbound.img --key-file wrong": b"",
    "luksDump --unbound -S 7 -q unbound.img --key-file pass": b"",
    "luksDump --unbound -S 0 -q unbound.img --key-file pass": b"",
    "luksDump --unbound -S 6 -q unbound.img --key-file pass": b"",
    # open --test-passphrase: where the passphrase comes from
    **{
        f"open --test-passphrase {verbose}{name} {source}".strip(): given
        for verbose in ("", "-v ")
        for name in ("luks1.img", "luks2.img")
        for source, given in {
            "": LINE,
            "--key-file pass": b"",
            "--key-file=other": b"",
            "-d -": b"correct horse",
            "--key-file -": LINE,
            "-d wrong": b"",
            "-d newline": b"",
            "-d offset --keyfile-offset 5 --keyfile-size 13": b"",
            "-d offset --keyfile-offset 5 -l 12": b"",
            "-d missing": b"",
            "-d directory": b"",
            "-d empty": b"",
            "-d pass --keyfile-offset 14": b"",
            "-d pass -l 14": b"",
            "-S 0 -d pass": b"",
            "-S 1 -d pass": b"",
            "-S 2 -d pass": b"",
            "-S 1 -d other": b"",
            "-S 99 -d pass": b"",
            "-S 8 -d pass": b"",
            "-d pass --tries 1": b"",
            "--type luks -d pass": b"",
            "--type luks1 -d pass": b"",
            "--type luks2 -d pass": b"",
            "--type luks3 -d pass": b"",
        }.items()
    },
    "open --test-passphrase luks2.img ": b"",
    "open --test-passphrase -v luks2.img  ": b"correct horse",
    "open --test-passphrase -v luks2.img   ": b"wrong\ncorrect horse\n",
    "open --test-passphrase -v luks2.img    ": b"\n",
    "open --test-passphrase -v luks2.img -d binary": b"",
    "open --test-passphrase -v luks2.img -d -": b"\x00\xff line one\nline two\n",
    "open --test-passphrase -v luks2.img     ": b"\x00\xff line one\nline two\n",
    "luksOpen --test-passphrase -v luks2.img -d pass": b"",
    "luksOpen -v --test-passphrase luks1.img name -d pass": b"",
    "open -v --test-passphrase luks2.img name ignored ignored -d pass": b"",
    "open -v --test-passphrase unbound.img -d wrong --unbound": b"",
    "open -v --test-passphrase unbound.img -d wrong -S 7 --unbound": b"",
    "open -v --test-passphrase unbound.img -d wrong -S 7": b"",
    "open -v --test-passphrase unbound.img -d pass": b"",
    "open -v --test-passphrase priority.img -d pass": b"",
    "open -v --test-passphrase priority.img -d pass -S 0": b"",
    "open -v --test-passphrase priority.img -d other": b"",
    "open -v --test-passphrase argon.img -d pass": b"",
    "open -v --test-passphrase argon.img -d wrong": b"",
    "open -v --test-passphrase tokens.img -d pass": b"",
    "open -v --test-passphrase tokens.img --token-only": b"",
    "open -v --test-passphrase tokens.img --token-id 0 --token-only": b"",
    "open -v --test-passphrase tokens.img --token-type luks2-keyring --token-only": b"",
    "open -v --test-passphrase luks2.img --token-only": b"",
    "open -v --test-passphrase luks1.img --token-only": b"",
    "open -v --test-passphrase --header detached.hdr data.img -d pass": b"",
    "open -v --test-passphrase --header detached.hdr data.img -d wrong": b"",
    "open -v --test-passphrase --header missing data.img -d pass": b"",
    "open -v --test-passphrase --header zeros data.img -d pass": b"",
    "open -v --test-passphrase data.img -d pass": b"",
    "open -v --test-passphrase luks2.img --volume-key-file luks2.img.vk": b"",
    "open -v --test-passphrase luks1.img --volume-key-file luks1.img.vk": b"",
    "open -v --test-passphrase luks2.img --master-key-file luks1.img.vk": b"",
    "open -v --test-passphrase luks1.img --volume-key-file luks2.img.vk": b"",
    "open -v --test-passphrase luks2.img --volume-key-file pass": b"",
    "open -v --test-passphrase luks2.img --volume-key-file missing": b"",
    "open -v --test-passphrase luks2.img --volume-key-file directory": b"",
    "open -v --test-passphrase truncated.img -d pass": b"",
    "open -v --test-passphrase short.img -d pass": b"",
    "open -v --test-passphrase missing -d pass": b"",
    "open -v --test-passphrase directory -d pass": b"",
    "open -v --test-passphrase empty -d pass": b"",
    # where options may stand
    "-v -d pass open luks2.img --test-passphrase": b"",
    "open luks2.img -vd pass --test-passphrase": b"",
    "open -vdpass luks2.img --test-passphrase": b"",
    "open -d=pass luks2.img --test-passphrase -v": b"",
    "--test-passphrase --key-file pass --verbose -- open luks2.img": b"",
}

# Here the lines before the last, the usage, are each program's own.
REFUSED = (
    "",
    "nonsense luks2.img",
    "isLuks",
    "luksDump",
    "open --test-passphrase",
    "open luks2.img -d pass",
    "luksDump --nonsense luks2.img",
    "luksDump --size 7 luks2.img",
    "luksDump --test-passphrase luks2.img",
    "luksDump --offset 7 luks2.img",
    "isLuks -S 0 luks2.img",
    "open --test-passphrase luks2.img -S x",
    "open --test-passphrase luks2.img -l -1",
    "open --test-passphrase luks2.img --keyfile-offset",
    "open --test-passphrase luks2.img --tries=many",
    "open --test-passphrase luks2.img --persistent",
    "open --test-passphrase luks2.img --refresh",
    "open --test-passphrase luks2.img --shared",
    "open --test-passphrase luks2.img --skip 1",
    "open --test-passphrase luks2.img --offset 1",
    "open --unbound luks2.img name",
    "open --test-passphrase luks2.img --sector-size 512",
    "open --test-passphrase luks2.img --key-size 7",
    "luksUUID --label x luks2.img",
    "luksDump --unbound luks2.img",
    "luksDump --unbound -q unbound.img --key-file pass",
    "open --test-passphrase luks1.img --type plain",
    "open --test-passphrase luks1.img --type nonsense",
    "open --test-passphrase luks1.img --type luks2x",
    "luksChangeKey -q damaged.img pass other",
    "open -v --test-passphrase damaged.img -d pass",
    "luksOpen --test-passphrase damaged.img -d wrong",
    "luksDump -q --dump-volume-key damaged.img -d pass",
)


def without_hint(result: Result) -> Result:
    """Less kdumpkey's own line on a key that ends in a newline, which test_key_hint.py looks at."""
    lines = result.err.splitlines(keepends=True)
    kept = [line for line in lines if "ends in a newline, which is part of the key" not in line]
    return Result(result.code, result.out, "".join(kept))


@pytest.mark.parametrize("line", SAME)
def test_both_do_and_say_the_same(
    folder: Path, cryptsetup: str, monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    monkeypatch.chdir(folder)
    words = line.split()
    mine = ours(words, SAME[line])
    assert without_hint(mine) == run([cryptsetup, *words], SAME[line])


@pytest.mark.parametrize("line", REFUSED)
def test_both_refuse_with_the_same_words(
    folder: Path, cryptsetup: str, monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    monkeypatch.chdir(folder)
    words = line.split()
    mine, theirs = ours(words), run([cryptsetup, *words])
    assert mine.verdict == theirs.verdict
    assert mine.out == theirs.out
