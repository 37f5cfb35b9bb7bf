"""The list of extension modules; everything else is in pyproject.toml."""

from setuptools import Extension, setup

COMMON = ["-O3", "-std=c11", "-Wall", "-Wextra", "-fvisibility=hidden", "-Icext/common"]
TIERS = ["portable", "aesni", "vaes_avx2", "vaes_avx512", "armv8ce"]

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
