"""JSON as commands print it: no control character of a stranger's text stands raw in it."""

from __future__ import annotations

import msgspec

from obelisk.cli.plain import is_escaped


def json_text(shown: object, *, indent: int = -1) -> str:
    """A value as JSON, in one line, or over several with `indent` spaces. All that was escaped reads back the same."""
    encoded = msgspec.json.encode(shown, enc_hook=str)
    text = (encoded if indent < 0 else msgspec.json.format(encoded, indent=indent)).decode()
    if text.isascii() and "\x7f" not in text:  # the encoder escapes the others that ASCII has
        return text
    return "".join(f"\\u{ord(char):04x}" if is_escaped(char) else char for char in text)
