"""QR codes of addresses, for phones."""

from __future__ import annotations


def qr_code(address: str) -> str:
    """Return the QR code of an address as an SVG element, whose colours are in the style sheet."""
    import segno

    code = segno.make(address, error="m", micro=False)
    return code.svg_inline(
        border=4, dark=None, light=None, svgclass="qr", lineclass="qr-line", omitsize=True
    )
