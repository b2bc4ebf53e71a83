"""The boxes of which MP4, MOV and HEIC files consist, for tests of what is read from them."""

from __future__ import annotations


def box(kind, *parts, wide=False):
    body = b"".join(parts)
    if wide:
        return b"\0\0\0\1" + kind + (16 + len(body)).to_bytes(8, "big") + body
    return (8 + len(body)).to_bytes(4, "big") + kind + body
