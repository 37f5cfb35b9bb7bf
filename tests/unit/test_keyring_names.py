"""cryptsetup's names for keys and keyrings in its options, and what is refused."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdumpkey.errors import UsageError
from kdumpkey.keyring.names import (
    KeyName,
    KeyringName,
    LinkTarget,
    VolumeKeySource,
    parse_keyring,
    parse_link_target,
    parse_volume_key_source,
)

names = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("@t", -1),
        ("@p", -2),
        ("@s", -3),
        ("@u", -4),
        ("@us", -5),
        ("@g", -6),
        ("123", 123),
        ("-3", -3),
        ("+5", 5),
        ("0x10", 16),
        ("0X1f", 31),
        ("010", 8),
        (" 12", 12),
        ("2147483647", 2147483647),
    ],
)
def test_a_keyring_by_shorthand_or_number(text: str, number: int) -> None:
    assert parse_keyring(text) == KeyringName(text, number=number)


@pytest.mark.parametrize(
    ("text", "description"),
    [
        ("%:foo", "foo"),
        ("%keyring:foo", "foo"),
        ("foo", "foo"),
        ("co:lon", "co:lon"),
        ("%:co:lon", "co:lon"),
        ("sp ace", "sp ace"),
        ("12abc", "12abc"),
        ("1 ", "1 "),
        ("_ses", "_ses"),
        ("s", "s"),
        ("-", "-"),
        ("09", "09"),
        ("99999999999", "99999999999"),
        ("%:@s", "@s"),
        ("%:12", "12"),
    ],
)
def test_a_keyring_by_name(text: str, description: str) -> None:
    assert parse_keyring(text) == KeyringName(f"%:{description}", description=description)


@pytest.mark.parametrize("text", ["", "@", "@x", "@a", "@sx", "0", "0x0", "00"])
def test_what_cannot_be_a_keyring_is_refused_with_its_name(text: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse_keyring(text)
    assert str(refused.value) == (
        f'Could not find keyring described by "{text}".\nInvalid --link-vk-to-keyring value.'
    )


@pytest.mark.parametrize(
    "text",
    [
        "@s",
        "@s:x",
        "@u",
        "",
        "foo",
        "%:foo",
        "@s::",
        "@s::%user",
        "@s::%user:",
        "@s::%logon:",
        "@s::%",
        "@s::%:z",
        "@s::%bogus:z",
        "@s::%keyring:z",
        "@s::%big_key:z",
        "@s::%USER:x",
        "@s::%u:z",
        "@s::a\x00b",
        "%foo::x",
        "%:::x",
        "%::x",
        "%keyring::x",
        "%keyring:::x",
        "%user:foo::x",
    ],
)
def test_a_link_target_without_its_parts_is_refused(text: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse_link_target(text)
    assert str(refused.value) == "Invalid --link-vk-to-keyring value."
    assert refused.value.exit_code == 1


@pytest.mark.parametrize(
    ("text", "keyring", "key"),
    [
        ("@u::%logon:kdump-cryptsetup:vk-00", "@u", KeyName("logon", "kdump-cryptsetup:vk-00")),
        ("@s::%user:x", "@s", KeyName("user", "x")),
        ("@s::x", "@s", KeyName("user", "x")),
        ("@s::a::b", "@s", KeyName("user", "a::b")),
        ("@s::12", "@s", KeyName("user", "12")),
        ("@s:: x", "@s", KeyName("user", " x")),
        ("foo::%logon:noprefix", "foo", KeyName("logon", "noprefix")),
        ("%:foo::%user:a:b", "%:foo", KeyName("user", "a:b")),
    ],
)
def test_a_link_target_is_split_at_the_first_double_colon(text: str, keyring: str, key: KeyName) -> None:
    assert parse_link_target(text) == LinkTarget(parse_keyring(keyring), key)


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("vk", VolumeKeySource(KeyName("user", "vk"))),
        ("%user:vk", VolumeKeySource(KeyName("user", "vk"))),
        ("%logon:a:vk", VolumeKeySource(KeyName("logon", "a:vk"))),
        ("a:vk", VolumeKeySource(KeyName("user", "a:vk"))),
        ("12345", VolumeKeySource(KeyName("user", "12345"), 12345)),
        ("0x10", VolumeKeySource(KeyName("user", "0x10"), 16)),
        ("0", VolumeKeySource(KeyName("user", "0"))),
        ("-3", VolumeKeySource(KeyName("user", "-3"))),
        ("@s", VolumeKeySource(KeyName("user", "@s"))),
    ],
)
def test_a_volume_key_source_is_a_name_and_perhaps_a_number(text: str, source: VolumeKeySource) -> None:
    assert parse_volume_key_source(text) == source


@pytest.mark.parametrize(
    "text", ["", "%", "%user", "%user:", "%:x", "%bogus:x", "%keyring:x", "%USER:x", "a\0b"]
)
def test_a_volume_key_source_that_names_no_key_is_refused(text: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse_volume_key_source(text)
    assert str(refused.value) == "Failed to read volume key candidate from keyring."


@given(kind=st.sampled_from(["user", "logon"]), description=names)
def test_the_text_of_a_key_name_parses_to_itself(kind: str, description: str) -> None:
    key = KeyName(kind, description)
    assert parse_volume_key_source(str(key)) == VolumeKeySource(key)
    assert parse_link_target(f"@s::{key}") == LinkTarget(KeyringName("@s", number=-3), key)


@given(description=names)
def test_the_text_of_a_keyring_name_parses_to_itself(description: str) -> None:
    keyring = parse_keyring(f"%:{description}")
    assert parse_keyring(str(keyring)) == keyring
    assert keyring.description == description


@given(text=st.text())
def test_any_text_is_parsed_or_refused(text: str) -> None:
    for parse in (parse_keyring, parse_link_target, parse_volume_key_source):
        with suppress(UsageError):
            parse(text)
