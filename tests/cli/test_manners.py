"""cryptsetup's manners: how words become an action, its arguments and its options."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest
import typer

from both import ours, run
from kdumpkey.cli import options, parsers
from kdumpkey.cli.action import Entry, action, built, flattened, option_of
from kdumpkey.cli.app import Program, program
from kdumpkey.cli.arguments import Device
from kdumpkey.cli.header_choice import HeaderChoice
from kdumpkey.cli.key_source import PassphraseSource
from kdumpkey.cli.manners import SPELLINGS, Alias, CryptsetupGroup, OptionError, read_line
from kdumpkey.cli.options import EVERYWHERE, KeySlot, Unbound
from kdumpkey.cli.reference import actions
from kdumpkey.cli.session import Run
from kdumpkey.errors import UsageError
from kdumpkey.streams import Streams
from tools import require_tool

PROBE = typer.Typer()
SEEN: dict[str, Any] = {}


@action(PROBE, "luksDump", "<device>", ignores=(*EVERYWHERE, Unbound))
def luks_dump(
    run: Run, device: Device, header: HeaderChoice, source: PassphraseSource, key_slot: KeySlot = None
) -> None:
    """Note how it was called."""
    SEEN.update(speech=run.speech, device=device, header=header, source=source, key_slot=key_slot)


class Probe(CryptsetupGroup):
    """A program of one action."""

    entries: ClassVar = {"luksDump": Entry("", summary="Note how it was called")}
    aliases: ClassVar = {"luks1Dump": Alias("luksDump", (("--type", "luks1"),))}

    def load(self, entry: Entry, name: str) -> Any:
        return built(next(info for info in PROBE.registered_commands if info.name == name), entry)


def seen(*words: str) -> dict[str, Any]:
    app = typer.Typer(cls=Probe, add_completion=False)
    app.callback(add_help_option=False)(flattened(program))
    SEEN.clear()
    command: Any = typer.main.get_command(app)
    command.main(list(words), prog_name="probe", standalone_mode=False, obj=Run(Streams()))
    return SEEN


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
        "--unbound -hsha1 -c aes luksDump -d file dev -S 3 -v ignored",
    ],
)
def test_options_stand_anywhere_and_in_every_spelling(line: str) -> None:
    found = seen(*line.split())
    assert found["device"] == "dev"
    assert found["key_slot"] == 3
    assert found["source"] == PassphraseSource(key_file="file")
    assert found["header"] == HeaderChoice()
    assert (found["speech"].verbose, found["speech"].batch) == (True, False)


def test_an_option_takes_the_next_word_whatever_it_is() -> None:
    assert seen("-d", "--", "luksDump", "x")["source"].key_file == "--"
    assert seen("--key-file", "--verbose", "luksDump", "x")["source"].key_file == "--verbose"
    assert seen("luksDump", "x", "--key-file", "")["source"].key_file == ""
    assert seen("luksDump", "x", "--key-file=a=b")["source"].key_file == "a=b"


def test_a_lone_hyphen_and_what_follows_two_are_arguments() -> None:
    assert seen("luksDump", "-", "-v")["device"] == "-"
    assert seen("luksDump", "--", "-v", "--")["device"] == "-v"


def test_an_alias_decides_the_type() -> None:
    assert seen("luks1Dump", "--type", "plain", "x")["header"].type == "luks1"


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
        ("--test-args --nonsense isLuks x", "--nonsense: unknown option"),
        ("isLuks x --show-completion", "--show-completion: unknown option"),
    ],
)
def test_what_is_not_an_option_is_named_as_it_stands(line: str, message: str) -> None:
    result = ours(line.split())
    assert (result.code, result.err.splitlines()[1:]) == (1, [message])


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("", "Argument <action> missing."),
        ("bogus x", "Unknown action."),
        ("isluks x", "Unknown action 'isluks'. Did you mean isLuks?"),
        ("unlok x", "Unknown action 'unlok'. Did you mean unlock?"),
        ("kdump lod", "Unknown action 'kdump lod'. Did you mean load?"),
        ("kdump nonsense", "Unknown action."),
        ("isLuks --size 8", "isLuks: requires <device> as arguments"),
        ("luksOpen", "open: requires <device> [--type <type>] [<name>] as arguments"),
        ("luksDump --uuid=x -b8 x", "Option --size is not allowed with luksDump action."),
        ("luksDump -S -1 x", "Key slot is invalid."),
        ("luksDump --to=x x", "Option --to is not allowed with luksDump action."),
        ("unlock --kdf-memory-check=no x", "Option --kdf-memory-check can be only on/off."),
        ("unlock --from=1.5G x", "Invalid size specification in parameter --from."),
        ("isLuks --key-slot=x --bogus y", "invalid numeric value"),
        ("isLuks --cipher=aes --key-size=7 y", "Key size must be a multiple of 8 bits"),
        ("open -d a -d b x", "Only one --key-file argument is allowed."),
        ("kdump reboot now", "kdump reboot takes no 'now'."),
        ("unlock a b", "unlock takes no 'b'."),
        (
            "open --test-passphrase --persistent x",
            "Option --persistent is not allowed with --test-passphrase.",
        ),
    ],
)
def test_what_cannot_be_done_is_refused_with_a_line_of_usage(line: str, message: str) -> None:
    result = ours(line.split())
    usage = "Usage: kdumpkey [OPTION...] <action> <action-specific>"
    assert (result.code, result.out) == (1, "")
    assert result.err.splitlines() == [usage, f"kdumpkey: {message}"]


@pytest.mark.parametrize(
    "line",
    [
        "unlock --hash nonsense x",
        "unlock --cipher aes x",
        "unlock --header-backup-file f x",
        "encrypt --dump-volume-key a b",
        "kdump doctor --key-file f",
        "kdump boot --tries 4",
        "region show --type luks2",
        "argon2 advise --readonly",
        "mock scenarios --first-memory 4M",
        "demo --veracrypt",
    ],
)
def test_kdumpkeys_own_actions_refuse_what_does_nothing_there(line: str) -> None:
    words = line.split()
    option = next(word for word in words if word.startswith("--"))
    name = " ".join(words[: words.index(option)])
    result = ours(words)
    assert result.code == 1
    assert result.err.endswith(f"Option {option} is not allowed with {name} action.\n")


@pytest.mark.parametrize(
    "name", ["bitlkDump x", "luksResume x", "luksSuspend x", "reencrypt", "resize x", "tcryptDump x"]
)
def test_what_only_cryptsetup_does_is_named_as_such(name: str) -> None:
    result = ours([*name.split(), "--debug", "--key-file", "f"])
    word = name.partition(" ")[0]
    assert (result.code, result.err.splitlines()[-1]) == (1, f"kdumpkey does not do {word}; cryptsetup does.")


TCRYPT = "--type tcrypt --disable-veracrypt"


@pytest.mark.parametrize(
    "line",
    [
        f"open DEV name {TCRYPT} --veracrypt-pim 1",
        f"open DEV name {TCRYPT} --veracrypt-query-pim",
        f"open DEV name {TCRYPT} --veracrypt-query-pim --veracrypt-pim 1",
        "open DEV name --type tcrypt --veracrypt-query-pim --veracrypt-pim 1",
        "open DEV name --type tcrypt --veracrypt --disable-veracrypt",
        "open DEV name --type plain --iv-large-sectors",
        "open DEV name --type plain --iv-large-sectors --sector-size 512",
        "open DEV name --type plain --iv-large-sectors --sector-size 1024",
        "refresh DEV name",
        "refresh DEV name --test-passphrase",
        "refresh",
        "reencrypt DEV --reduce-device-size 1G",
        "reencrypt DEV --reduce-device-size 2G",
        "isLuks DEV --reduce-device-size 67108865",
        "luksFormat DEV --serialize-memory-hard-pbkdf",
        "open DEV name --serialize-memory-hard-pbkdf",
    ],
)
def test_cryptsetup_takes_and_refuses_the_same_arguments(line: str) -> None:
    words = ["--test-args", *line.split()]
    mine, theirs = ours(words), run([require_tool("cryptsetup"), *words])
    assert (mine.verdict, mine.out) == (theirs.verdict, theirs.out)


def test_version_help_and_usage_act_where_they_stand() -> None:
    assert ours(["-V", "--bogus"]).out.startswith("kdumpkey ")
    assert ours(["--usage", "isLuks"]).out == "Usage: kdumpkey [OPTION...] <action> <action-specific>\n"
    assert "Usage: kdumpkey isLuks" in ours(["isLuks", "-v?x", "-s", "abc"]).out
    assert ours(["--bogus", "-V"]).code == 1


def test_old_names_of_the_volume_key_are_understood() -> None:
    given = read_line(["luksDump", "x", "--dump-master-key", "--master-key-file=k"]).given
    assert given == [("--dump-volume-key", None), ("--volume-key-file", "k")]


@pytest.mark.parametrize("described", list(actions()), ids=lambda described: described.name)
def test_no_action_begins_with_test_args(described: Any, tmp_path: Path) -> None:
    words = [*described.name.split(), "--test-args"]
    given = {"token": ["add", "--key-description", "x"], "luksKillSlot": [str(tmp_path / "none"), "1"]}
    words += given.get(described.name, [])
    words += [str(tmp_path / "none")] * (len([a for a in described.arguments if not a.startswith("[")]))
    if not described.name.startswith(("luks", "open", "token")):  # those ignore what is too much
        words = words[: len(described.name.split()) + 1 + len(described.arguments)]
    result = ours(words)
    assert (result.code, result.out) == (0, "No action taken. Invoked with --test-args option.\n"), result.err
    assert list(tmp_path.iterdir()) == []


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
    assert parsers.size("from")(text) == size


@pytest.mark.parametrize("text", ["", "-1", "+1", "k", "1p", "1b", "1Kib", "1KIB", "1S", "1.5k", "16777216T"])
def test_what_is_not_a_size_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="Invalid size specification in parameter --from"):
        read_line(["unlock", "x", f"--from={text}"])


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
            read_line(words)
    else:
        parser = SPELLINGS[f"--{option}"].parser
        assert parser is not None
        assert parser(text) == number


def test_minus_one_leaves_the_choice_open() -> None:
    assert parsers.number_or_any("-1") is None
    assert parsers.number_or_any("0") == 0


def test_a_short_name_means_one_option() -> None:
    named: dict[str, set[str]] = {}
    for annotation in vars(options).values():
        if getattr(annotation, "__metadata__", None):
            option = option_of(annotation)
            for name in option.names:
                named.setdefault(name, set()).add(option.names[0])
    assert {name: usual for name, usual in named.items() if len(usual) > 1} == {}


def test_the_policies_that_completion_offers_are_those_there_are() -> None:
    from kdumpkey.region.model import Policy

    assert tuple(policy.value for policy in Policy) == options.POLICIES


def test_every_alias_leads_to_an_action_that_is_done() -> None:
    assert {alias.action for alias in Program.aliases.values()} <= {
        name for name, entry in Program.entries.items() if not entry.hidden
    }


def test_an_unknown_option_is_an_error_of_its_own() -> None:
    with pytest.raises(OptionError):
        read_line(["--nonsense"])


@pytest.mark.parametrize("digits", ["9" * 5000, "-" + "9" * 5000])
@pytest.mark.parametrize(
    "parse", [parsers.int32, parsers.uint32, parsers.uint64, parsers.size("from"), parsers.device_size]
)
def test_a_number_of_thousands_of_digits_is_refused_as_any_that_is_too_large(
    parse: Callable[[str], int], digits: str
) -> None:
    with pytest.raises(UsageError):
        parse(digits)


def test_zeros_before_a_number_count_for_nothing() -> None:
    assert parsers.int32("-" + "0" * 5000 + "7") == -7
    assert parsers.uint64("0" * 5000 + "7") == parsers.leading_number("0" * 5000 + "7 x") == 7
    assert parsers.size_of("from", "0" * 5000 + "7k") == 7168


def test_a_keyslot_of_thousands_of_digits_is_no_keyslot() -> None:
    assert parsers.leading_number("9" * 5000) >= 1 << 64
