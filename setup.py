"""The list of extension modules; everything else is in pyproject.toml."""

from setuptools import Extension, setup

COMMON = ["-O3", "-std=c11", "-Wall", "-Wextra", "-fvisibility=hidden", "-Icext/common"]
TIERS = ["portable", "aesni", "vaes_avx2", "vaes_avx512", "armv8ce"]
ARGON2_TIERS = ["portable", "neon", "avx2", "avx512"]

setup(
    ext_modules=[
        Extension(
            "kdumpkey._native.aesxts",
            sources=[
                "cext/aesxts/aesxts.pyx",
                "cext/aesxts/kdk_aesxts_dispatch.c",
                "cext/common/kdk_cpu.c",
                "cext/secret/kdk_secret.c",
                *(f"cext/aesxts/kdk_aesxts_{tier}.c" for tier in TIERS),
            ],
            depends=[
                "cext/aesxts/kdk_aesxts.h",
                "cext/aesxts/kdk_aesxts.pxi",
                "cext/aesxts/kdk_aesxts_sbox.h",
                "cext/aesxts/kdk_aesxts_x86_body.h",
                "cext/common/kdk_cpu.h",
                "cext/common/kdk_wipe.h",
                "cext/secret/kdk_secret.h",
            ],
            include_dirs=["cext/aesxts", "cext/common", "cext/secret"],
            extra_compile_args=COMMON,
        ),
        Extension(
            "kdumpkey._native.argon2",
            sources=[
                "cext/argon2/argon2.pyx",
                "cext/argon2/kdk_argon2.c",
                "cext/argon2/kdk_argon2_dispatch.c",
                "cext/argon2/kdk_blake2b.c",
                "cext/common/kdk_cpu.c",
                "cext/secret/kdk_secret.c",
                *(f"cext/argon2/kdk_argon2_{tier}.c" for tier in ARGON2_TIERS),
            ],
            depends=[
                "cext/argon2/kdk_argon2.h",
                "cext/argon2/kdk_argon2.pxi",
                "cext/argon2/kdk_argon2_body.h",
                "cext/argon2/kdk_argon2_mix.h",
                "cext/argon2/kdk_blake2b.h",
                "cext/common/kdk_bytes.h",
                "cext/common/kdk_cpu.h",
                "cext/common/kdk_wipe.h",
                "cext/secret/kdk_secret.h",
            ],
            include_dirs=["cext/argon2", "cext/common", "cext/secret"],
            libraries=["pthread"],
            extra_compile_args=COMMON,
        ),
        Extension(
            "kdumpkey._native.region",
            sources=["cext/region/region.pyx", "cext/region/kdk_region.c"],
            depends=["cext/region/kdk_region.h", "cext/region/kdk_region.pxi", "cext/common/kdk_wipe.h"],
            include_dirs=["cext/region", "cext/common"],
            libraries=["m"],
            extra_compile_args=COMMON,
        ),
        Extension(
            "kdumpkey._native.secret",
            sources=["cext/secret/secret.pyx", "cext/secret/kdk_secret.c", "cext/common/kdk_cpu.c"],
            depends=[
                "cext/secret/kdk_secret.h",
                "cext/secret/kdk_secret.pxi",
                "cext/common/kdk_cpu.h",
                "cext/common/kdk_wipe.h",
            ],
            include_dirs=["cext/secret", "cext/common"],
            extra_compile_args=COMMON,
        ),
    ]
)
