"""Text of other people in messages: nothing hidden in it, nothing that looks like a password, not without end."""

from __future__ import annotations

from reconciler.spec.masked import masked_text

_SHOWN_LENGTH = 60


def has_hidden(text: str) -> bool:
    """Whether the text holds control characters, ones that turn the direction of text, or others that show nothing.

    Shown raw they could make one name look like another on a terminal or in a review.
    """
    return not text.isprintable()


def visible(text: str) -> str:
    """The text with hidden characters written as escapes."""
    if text.isprintable():
        return text
    return "".join(sign if sign.isprintable() else _escape(sign) for sign in text)


def _escape(sign: str) -> str:
    return f"\\u{ord(sign):04x}" if ord(sign) < 0x10000 else f"\\U{ord(sign):08x}"


def quoted(text: str) -> str:
    """The text in quotes for a message: what looks like a password covered, hidden characters escaped, cut where long."""
    shown = visible(masked_text(text[: _SHOWN_LENGTH * 4]))
    return f"'{shown}'" if len(shown) <= _SHOWN_LENGTH else f"'{shown[: _SHOWN_LENGTH - 1]}…'"
