"""kdump generate: the change makes the doctor content, leaves the rest alone, and is read by systemd."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

import roots
from kdumpkey.errors import OutputError, UsageError
from kdumpkey.kdump.doctor import Verdict
from kdumpkey.kdump.doctor.examine import examine
from kdumpkey.kdump.generate.apply import BACKUP, apply
from kdumpkey.kdump.generate.generate import GENERATORS, generate
from roots import LINK, UUID
from tools import require_tool

GENERATOR = "/usr/lib/systemd/system-generators/systemd-cryptsetup-generator"
OTHER = "# mine\nswap /dev/vda2 /dev/urandom swap,cipher=aes-xts-plain64\n"


def _root(root: Path, crypttab: str | None) -> Path:
    return roots.build(root, {"dev/mapper/root": "", **roots.fedora(), "etc/crypttab": crypttab})


@pytest.mark.parametrize(
    ("line", "after"),
    [
        (None, f"root UUID={UUID} none luks,{LINK}\n"),
        (OTHER, f"{OTHER}root UUID={UUID} none luks,{LINK}\n"),
        (OTHER.rstrip(), f"{OTHER}root UUID={UUID} none luks,{LINK}\n"),
        (f"root UUID={UUID}\n{OTHER}", f"root UUID={UUID} none luks,{LINK}\n{OTHER}"),
        (f"root  UUID={UUID}\tnone\n", f"root  UUID={UUID}\tnone luks,{LINK}\n"),
        (f"{OTHER}root\t/dev/vda3 -  discard,luks\n", f"{OTHER}root\t/dev/vda3 -  discard,luks,{LINK}\n"),
        (f"r UUID={UUID} none luks,link-volume-key=@s::%user:x", f"r UUID={UUID} none luks,{LINK}"),
        (
            f"root UUID={UUID} none luks\n{OTHER}again UUID={UUID} /key discard\n",
            f"root UUID={UUID} none luks,{LINK}\n{OTHER}again UUID={UUID} /key discard,{LINK}\n",
        ),
        (f"none UUID={UUID} none none\n", f"none UUID={UUID} none none,{LINK}\n"),
    ],
)
def test_the_line_of_the_device_gets_the_option_and_the_doctor_is_content(
    line: str | None, after: str, tmp_path: Path
) -> None:
    root = _root(tmp_path, line)
    (change,) = generate("crypttab", root)
    assert change.after == after
    apply(root, [change])
    found = [finding for finding in examine(root) if finding.check == "crypttab"]
    assert [finding.verdict for finding in found] == [Verdict.GOOD]
    assert [change.diff() for change in generate("crypttab", root)] == [""]


def test_the_diff_is_one_that_patch_takes(tmp_path: Path) -> None:
    patch = require_tool("patch")
    root = _root(tmp_path, f"{OTHER}root UUID={UUID} none luks")
    (change,) = generate("crypttab", root)
    subprocess.run(
        [patch, "-p1", "--quiet"], cwd=root, input=change.diff(), text=True, check=True, capture_output=True
    )
    assert (root / "etc/crypttab").read_text() == change.after


def test_the_first_original_is_kept_with_its_mode(tmp_path: Path) -> None:
    root = _root(tmp_path, OTHER)
    table = root / "etc/crypttab"
    table.chmod(0o600)
    kept = apply(root, generate("crypttab", root))[0].kept
    assert kept == root / f"etc/crypttab{BACKUP}"
    table.write_text("")
    apply(root, generate("crypttab", root))
    assert kept.read_text() == OTHER
    assert {path.stat().st_mode & 0o777 for path in (table, kept)} == {0o600}
    assert sorted(os.listdir(root / "etc")) == ["crypttab", f"crypttab{BACKUP}", "kdump.conf"]


def test_a_file_that_changed_meanwhile_is_left_alone(tmp_path: Path) -> None:
    root = _root(tmp_path, OTHER)
    changes = generate("crypttab", root)
    (root / "etc/crypttab").write_text("new\n")
    with pytest.raises(OutputError, match="changed"):
        apply(root, changes)
    assert (root / "etc/crypttab").read_text() == "new\n"


def test_the_service_gets_a_drop_in_that_contents_the_doctor(tmp_path: Path) -> None:
    root = _root(tmp_path, None)
    (root / "usr/lib/systemd/system/kdump.service").write_text("[Service]\nType=oneshot\n")
    assert [done.kept for done in apply(root, generate("systemd", root))] == [None, None]
    assert [f.verdict for f in examine(root) if f.check == "service"] == [Verdict.GOOD]
    assert not any(change.diff() for change in generate("systemd", root))


def test_the_service_that_arms_runs_after_each_start_of_the_one_that_loads_without_keys(
    tmp_path: Path,
) -> None:
    root = _root(tmp_path, None)
    (root / "usr/lib/systemd/system/kdump.service").write_text("[Service]\nType=oneshot\n")
    (unit,) = (each.after for each in generate("systemd", root) if each.path.endswith("kdumpkey-arm.service"))
    head = unit.partition("[Service]")[0]
    assert "\nAfter=kdump.service " in head
    assert "\nPartOf=kdump.service\n" in head


def test_opening_a_device_and_new_processors_start_the_service_that_arms(tmp_path: Path) -> None:
    root = _root(tmp_path, None)
    reload = root / "usr/lib/udev/rules.d/98-kexec.rules"
    reload.parent.mkdir(parents=True)
    reload.write_text('SUBSYSTEM=="cpu", ACTION=="add", RUN+="/usr/bin/kdumpctl reload"\n')
    apply(root, generate("udev", root))
    rules = {path.name: path.read_text() for path in (root / "etc/udev/rules.d").iterdir()}
    # The file of kdump-utils' name takes the place of kdump-utils' own.
    assert sorted(rules) == ["98-kdumpkey.rules", "98-kexec.rules"]
    assert f'ENV{{DM_UUID}}=="CRYPT-LUKS?-{UUID.replace("-", "")}-*"' in rules["98-kdumpkey.rules"]
    assert all("kdumpkey-arm.service" in text for text in rules.values())
    assert not any(change.diff() for change in generate("udev", root))


def test_a_machine_without_a_reload_gets_rules_of_its_own(tmp_path: Path) -> None:
    changes = generate("udev", _root(tmp_path, None))
    assert [change.path for change in changes] == [
        "etc/udev/rules.d/98-kdumpkey.rules",
        "etc/udev/rules.d/98-kdumpkey-hotplug.rules",
    ]


def test_a_name_that_would_mean_something_in_configuration_is_refused(tmp_path: Path) -> None:
    root = _root(tmp_path, None)
    (root / "sys/block/dm-0/dm/uuid").write_text(f"CRYPT-LUKS2-{UUID.replace('-', '')}-$(reboot) x\n")
    for kind in GENERATORS:
        with pytest.raises(UsageError, match="no name for configuration"):
            generate(kind, root)


def test_what_cannot_be_generated_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"crypttab, .* or udev, not"):
        generate("fstab", tmp_path)
    with pytest.raises(UsageError, match="not a directory"):
        generate("systemd", tmp_path / "none")
    with pytest.raises(UsageError, match="Name the encrypted devices"):
        generate("crypttab", tmp_path)
    with pytest.raises(UsageError, match="no UUID"):
        generate("crypttab", tmp_path, ["/dev/none"])


def test_systemds_generator_hands_the_option_on_as_it_stands(tmp_path: Path) -> None:
    generator = GENERATOR if os.access(GENERATOR, os.X_OK) else require_tool("systemd-cryptsetup-generator")
    root = _root(tmp_path / "root", None)
    apply(root, generate("crypttab", root))
    out = tmp_path / "units"
    out.mkdir()
    environment = {"SYSTEMD_CRYPTTAB": str(root / "etc/crypttab"), "SYSTEMD_LOG_TARGET": "console"}
    subprocess.run([generator, out, out, out], env=environment, check=True, capture_output=True)
    unit = (out / "systemd-cryptsetup@root.service").read_text()
    # In a unit, a percent sign is written twice.
    assert LINK.replace("%", "%%") in unit
    shutil.rmtree(out)
