"""The rules by which words become an action, its arguments and its options."""

from __future__ import annotations

import pytest

from kdumpkey.cli.argv import Invocation, OptionError, resolve, split_words
from kdumpkey.cli.options import OPTIONS
from kdumpkey.errors import UsageError


def invocation(line: str) -> Invocation:
    return resolve(split_words(line.split()))


@pytest.mark.parametrize(
    "line",
    [
        "luksDump -S 3 -v -d file dev",
        "-S 3 -v -d file luksDump dev",
        "luksDump dev -S3 -vdfile",
        "luksDump dev --key-slot=3 -vd=file",
        "-vS=3 luksDump --key-file file -- dev",
        "--verbose luksDump dev --key-file=file --key-slot 3",
        "-S 5 luksDump -d file dev -S 3 -v",
    ],
)
def test_options_stand_anywhere_and_in_every_spelling(line: str) -> None:
    found = invocation(line)
    assert (found.action.name, found.arguments) == ("luksDump", ("dev",))
    assert dict(found.values) == {"key-slot": 3, "verbose": 1, "key-file": "file"}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("--bogus isLuks x", "--bogus: unknown option"),
        ("isLuks --bogus=3 x", "--bogus=3: unknown option"),
        ("isLuks --verb x", "--verb: unknown option"),
        ("isLuks -qZ x", "-qZ: unknown option"),
        ("isLuks x -qs", "-qs: missing argument"),
        ("isLuks x --key-size", "--key-size: missing argument"),
        ("-vq=3 isLuks x", "-vq=3: option does not take an argument"),
        ("--verbose=3 isLuks x", "--verbose=3: option does not take an argument"),
    ],
)
def test_what_is_no_option_is_named_as_it_stands(line: str, message: str) -> None:
    with pytest.raises(OptionError) as caught:
        invocation(line)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("", "Argument <action> missing."),
        ("bogus x", "Unknown action."),
        ("isluks x", "Unknown action."),
        ("isLuks --size 8", "isLuks: requires <device> as arguments"),
        ("luksOpen", "open: requires <device> [--type <type>] [<name>] as arguments"),
        ("luksDump --uuid=x -b8 x", "Option --size is not allowed with luksDump action."),
        ("luksDump -S -1 x", "Key slot is invalid."),
        ("luksDump --to=x x", "Option --to is not allowed with luksDump action."),
        ("unlock --kdf-memory-check=no x", "Option --kdf-memory-check can be only on/off."),
        ("unlock --from=1.5G x", "Invalid size specification in parameter --from."),
    ],
)
def test_what_cannot_be_done_is_refused(line: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        invocation(line)
    assert str(caught.value) == message


def test_an_option_takes_the_next_word_whatever_it_is() -> None:
    assert invocation("-d -- isLuks x").text("key-file") == "--"
    assert invocation("--key-file --verbose isLuks x").text("key-file") == "--verbose"


def test_a_lone_hyphen_and_what_follows_two_are_arguments() -> None:
    assert invocation("isLuks - -- -v --").arguments == ("-", "-v", "--")


def test_an_alias_decides_the_type() -> None:
    found = invocation("luksOpen --type plain x")
    assert (found.action.name, found.text("type")) == ("open", "luks")


def test_version_and_help_act_where_they_stand() -> None:
    assert split_words(["-V", "--bogus"]).at_once == "version"
    assert split_words(["-v?x", "-s", "abc"]).at_once == "help"
    with pytest.raises(OptionError):
        split_words(["--bogus", "-V"])


def test_old_names_of_the_volume_key_are_understood() -> None:
    found = invocation("luksDump x --dump-master-key --master-key-file=k")
    assert dict(found.values) == {"dump-volume-key": 1, "volume-key-file": "k"}


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("4096", 4096),
        ("3k", 3072),
        ("3K", 3072),
        ("3KiB", 3072),
        ("3kB", 3000),
        ("2s", 1024),
        ("1m", 1 << 20),
        ("1G", 1 << 30),
        ("1TB", 10**12),
        ("18446744073709551615", 2**64 - 1),
    ],
)
def test_sizes_have_units(text: str, size: int) -> None:
    assert invocation(f"unlock x --from {text}").number("from") == size


@pytest.mark.parametrize("text", ["", "-1", "+1", "k", "1p", "1b", "1Kib", "1KIB", "1S", "1.5k", "16777216T"])
def test_sizes_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="Invalid size specification in parameter --from"):
        resolve(split_words(["unlock", "x", f"--from={text}"]))


@pytest.mark.parametrize(
    ("option", "text", "number"),
    [
        ("tries", " +5", 5),
        ("tries", "4294967295", 2**32 - 1),
        ("tries", "-1", None),
        ("tries", "4294967296", None),
        ("tries", "5 ", None),
        ("tries", "0x10", None),
        ("tries", "", None),
        ("tries", "٣", None),
        ("key-slot", "2147483647", 2**31 - 1),
        ("key-slot", "2147483648", None),
        ("keyfile-offset", "-1", 2**64 - 1),
        ("keyfile-offset", "18446744073709551616", None),
    ],
)
def test_numbers_have_the_ranges_of_their_kind(option: str, text: str, number: int | None) -> None:
    words = ["unlock", "x", f"--{option}={text}"]
    if number is None:
        with pytest.raises(UsageError, match="invalid numeric value"):
            split_words(words)
    else:
        assert resolve(split_words(words)).number(option) == number


def test_names_of_options_are_unique() -> None:
    shorts = [option.short for option in OPTIONS if option.short]
    assert len(shorts) == len(set(shorts))
    assert len({option.name for option in OPTIONS}) == len(OPTIONS)
