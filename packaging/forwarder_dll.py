"""Write a Windows DLL without code: each of its functions is that of another DLL (a forwarder).

Wine 8.0, which Debian 12 has, lacks `bcryptprimitives.dll`. Rust's programs for Windows, such as the wheel of
`cryptography`, import one function of it. The format: https://learn.microsoft.com/en-us/windows/win32/debug/pe-format
"""

from __future__ import annotations

import struct
from collections.abc import Mapping

HEADERS = 0x200  # bytes of all headers, and the alignment of sections in the file
SECTION = 0x1000  # address of the only section, and the alignment of sections in memory
DIRECTORY = 40  # bytes of the export directory, with which the section starts
IMAGE_BASE = 0x180000000
AMD64 = 0x8664
DLL = 0x2022  # executable image, large addresses, DLL
PE32_PLUS = 0x20B
ANY_ADDRESS = 0x160  # DllCharacteristics: high entropy addresses, dynamic base, no execution of data
READABLE_DATA = 0x40000040


def forwarder_dll(name: str, functions: Mapping[str, str]) -> bytes:
    """Return a DLL for x86-64; `functions` maps each of its functions to the `DLL.function` that is called for it."""
    section, exports = _exports(name, dict(sorted(functions.items())))
    size = _aligned(len(section), HEADERS)
    image = _dos_header() + _pe_headers(len(section), size, exports)
    return image.ljust(HEADERS, b"\0") + section.ljust(size, b"\0")


def _exports(name: str, functions: Mapping[str, str]) -> tuple[bytes, int]:
    """Return the section, and the length of the export data: addresses inside it are read as names of forwarders."""
    count = len(functions)
    tables = DIRECTORY + 10 * count  # addresses of functions, addresses of names, ordinals
    texts = b""
    places = []
    for text in (name, *functions, *functions.values()):
        places.append(SECTION + tables + len(texts))
        texts += text.encode("ascii") + b"\0"
    names, targets = places[1 : count + 1], places[count + 1 :]
    addresses = [SECTION + DIRECTORY + offset for offset in (0, 4 * count, 8 * count)]
    directory = struct.pack("<IIHHIIIIIII", 0, 0, 0, 0, places[0], 1, count, count, *addresses)
    body = struct.pack(f"<{count}I{count}I{count}H", *targets, *names, *range(count))
    section = directory + body + texts
    return section, len(section)


def _dos_header() -> bytes:
    return b"MZ" + bytes(58) + struct.pack("<I", 64)


def _pe_headers(length: int, file_size: int, exports: int) -> bytes:
    coff = struct.pack("<HHIIIHH", AMD64, 1, 0, 0, 0, 240, DLL)
    memory_size = SECTION + _aligned(length, SECTION)
    optional = struct.pack("<HBBIIIII", PE32_PLUS, 14, 0, 0, file_size, 0, 0, SECTION)
    optional += struct.pack("<QIIHHHHHHI", IMAGE_BASE, SECTION, HEADERS, 6, 0, 0, 0, 6, 0, 0)
    optional += struct.pack("<IIIHH", memory_size, HEADERS, 0, 3, ANY_ADDRESS)
    optional += struct.pack("<QQQQII", 0x100000, 0x1000, 0x100000, 0x1000, 0, 16)
    optional += struct.pack("<II", SECTION, exports) + bytes(8 * 15)
    table = struct.pack("<8sIIIIIIHHI", b".rdata", length, SECTION, file_size, HEADERS, 0, 0, 0, 0, READABLE_DATA)
    return b"PE\0\0" + coff + optional + table


def _aligned(size: int, unit: int) -> int:
    return -(-size // unit) * unit
