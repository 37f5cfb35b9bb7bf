"""The extension modules, their hardening, and a reproducible sdist; everything else is in pyproject.toml."""

import gzip
import os
import subprocess
import tarfile
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.command.sdist import sdist

COMMON = ["-O3", "-std=c11", "-Wall", "-Wextra", "-fvisibility=hidden"]
# Of each group, the first that this compiler and its linker take: (options to compile, options to link).
HARDENING: tuple[tuple[tuple[list[str], list[str]], ...], ...] = (
    ((["-fstack-protector-strong"], []),),
    (
        (["-U_FORTIFY_SOURCE", "-D_FORTIFY_SOURCE=3"], []),
        (["-U_FORTIFY_SOURCE", "-D_FORTIFY_SOURCE=2"], []),
    ),
    (([], ["-Wl,-z,relro,-z,now"]),),
    (([], ["-Wl,-z,noexecstack"]),),
    (
        # x86. The linker marks a module as protected only if each of its objects is; a mark that is lost ends
        # the build. The start files of some C libraries have none; modules have no constructors to need them.
        (["-fcf-protection=full"], ["-Wl,-z,cet-report=error"]),
        (["-fcf-protection=full"], ["-nostartfiles", "-Wl,-z,cet-report=error"]),
        (["-fcf-protection=full"], []),
        # ARMv8. The linker warns of an object that has no mark.
        (["-mbranch-protection=standard"], ["-nostartfiles", "-Wl,-z,force-bti,--fatal-warnings"]),
        (["-mbranch-protection=standard"], []),
    ),
    # Debugging information and __FILE__ must not depend on where the sources lie.
    (([f"-ffile-prefix-map={os.getcwd()}=."], []),),
)
PROBE = "#include <string.h>\nint probe(char *to, const char *from) { strcpy(to, from); return to[0]; }\n"


class Hardened(build_ext):
    """Builds with all the protection that the compiler has to offer."""

    def build_extensions(self) -> None:
        # Some interpreters hand on where their own libraries lie; the modules need only the system's.
        self.compiler.linker_so = [
            word for word in self.compiler.linker_so if not word.startswith("-Wl,-rpath,")
        ]
        for group in HARDENING:
            for to_compile, to_link in group:
                if self._takes(to_compile, to_link):
                    for extension in self.extensions:
                        extension.extra_compile_args += to_compile
                        extension.extra_link_args += to_link
                    break
        super().build_extensions()

    def _takes(self, to_compile: list[str], to_link: list[str]) -> bool:
        with TemporaryDirectory() as folder:
            source, made = Path(folder, "probe.c"), Path(folder, "probe.o")
            source.write_text(PROBE)
            strict = [*COMMON, "-Werror", *to_compile]
            commands = (
                [*self.compiler.compiler_so, *strict, "-c", source, "-o", made],
                [*self.compiler.linker_so, *to_compile, made, *to_link, "-o", Path(folder, "probe.so")],
            )
            return all(
                subprocess.run(command, capture_output=True, check=False).returncode == 0
                for command in commands
            )


class ReproducibleSdist(sdist):
    """Makes an archive that depends on the files alone, dated by SOURCE_DATE_EPOCH where that is set."""

    def make_archive(
        self,
        base_name: Any,
        format: str,
        root_dir: Any = None,
        base_dir: str | None = None,
        owner: str | None = None,
        group: str | None = None,
    ) -> str:
        epoch = os.environ.get("SOURCE_DATE_EPOCH")
        if epoch is None or format != "gztar" or base_dir is None:
            return super().make_archive(base_name, format, root_dir, base_dir, owner, group)

        def plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
            member.mtime = int(epoch)
            member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
            member.uid = member.gid = 0
            member.uname = member.gname = ""
            return member

        archive = f"{base_name}.tar.gz"
        with (
            gzip.GzipFile(archive, "wb", mtime=int(epoch)) as packed,
            tarfile.open(fileobj=packed, mode="w") as tar,
        ):
            tar.add(base_dir, filter=plain)
        return archive


def extension(
    name: str, *shared: str, headers: tuple[str, ...] = (), libraries: tuple[str, ...] = ()
) -> Extension:
    """The module kdumpkey._native.NAME, of cext/NAME: its .pyx, and each .c that is named kdk_*.

    Args:
        name: The module, and its folder.
        shared: C sources of other folders, relative to cext/.
        headers: Folders whose headers it uses, relative to cext/.
        libraries: What it is linked to.
    """
    own = Path("cext", name)
    others = (Path("cext", source).parent for source in shared)
    folders = sorted({own, Path("cext/common"), *others, *(Path("cext", folder) for folder in headers)})
    return Extension(
        f"kdumpkey._native.{name}",
        sources=[
            f"{own}/{name}.pyx",
            *sorted(str(path) for path in own.glob("kdk_*.c")),
            *(f"cext/{source}" for source in shared),
        ],
        depends=sorted(
            str(path) for folder in folders for path in folder.glob("*.[hip]*") if path.suffix != ".pyx"
        ),
        include_dirs=[str(folder) for folder in folders],
        libraries=list(libraries),
        extra_compile_args=list(COMMON),
    )


setup(
    cmdclass={"build_ext": Hardened, "sdist": ReproducibleSdist},
    ext_modules=[
        extension("aescbc", "common/kdk_cpu.c", "secret/kdk_secret.c", headers=("aes",)),
        extension("aesxts", "common/kdk_cpu.c", "secret/kdk_secret.c", headers=("aes",)),
        extension("argon2", "common/kdk_cpu.c", "secret/kdk_secret.c", libraries=("pthread",)),
        extension("fileio"),
        extension("pbkdf2", "common/kdk_cpu.c", "secret/kdk_secret.c"),
        extension("region", libraries=("m",)),
        extension("secret", "common/kdk_cpu.c"),
    ],
)
