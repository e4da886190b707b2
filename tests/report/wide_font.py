"""A font of our own making, in which a Chinese letter is three ems wide."""

import struct
from pathlib import Path

LETTER = 0x6F22
_WIDE, _EM = 3000, 1000


def write_wide_font(folder: Path) -> Path:
    """Write a TrueType file with one glyph, a box, for one letter."""
    words = "Wide".encode("utf-16-be")
    records = [struct.pack(">6H", 3, 1, 0x409, kind, len(words), 0) for kind in (1, 4, 6)]
    ends, starts = struct.pack(">3H", LETTER, 0xFFFF, 0), struct.pack(">2H", LETTER, 0xFFFF)
    to_glyph_1 = struct.pack(">4H", 1 - LETTER & 0xFFFF, 1, 0, 0)
    body = struct.pack(">4H", 4, 4, 1, 0) + ends + starts + to_glyph_1
    cmap = struct.pack(">2H2HI", 0, 1, 3, 1, 12) + struct.pack(">3H", 4, 6 + len(body), 0) + body
    box = (
        struct.pack(">5h2H", 1, 0, 0, _WIDE, 800, 3, 0)
        + b"\1\1\1\1"
        + struct.pack(">8h", 0, _WIDE, 0, -_WIDE, 0, 0, 800, 0)
    )
    tables = {
        b"cmap": cmap,
        b"glyf": box,
        b"head": struct.pack(
            ">IIII2HQQ4h2H3h", 0x10000, 0x10000, 0, 0x5F0F3CF5, 3, _EM, 0, 0, 0, 0, _WIDE, 800, 0, 8, 2, 0, 0
        ),
        b"hhea": struct.pack(">I3hH11hH", 0x10000, 800, -200, 0, _WIDE, *([0] * 11), 2),
        b"hmtx": struct.pack(">HhHh", _WIDE, 0, _WIDE, 0),
        b"loca": struct.pack(">3H", 0, 0, len(box) // 2),
        b"maxp": struct.pack(">I14H", 0x10000, 2, *([0] * 13)),
        b"name": struct.pack(">3H", 0, 3, 6 + 12 * 3) + b"".join(records) + words,
    }
    at, listed, held = 12 + 16 * len(tables), b"", b""
    for tag, table in sorted(tables.items()):
        listed += tag + struct.pack(">3I", 0, at + len(held), len(table))
        held += table + b"\0" * (-len(table) % 4)
    file = folder / "wide.ttf"
    file.write_bytes(struct.pack(">I4H", 0x10000, len(tables), 128, 3, 0) + listed + held)
    return file
