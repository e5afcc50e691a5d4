"""What an option's words stand for; argparse refuses those that raise, with what they say."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None


def positive(text: str) -> float:
    """A number above 0."""
    value = _number(text)
    if not 0.0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return value


def gate(text: str) -> float:
    """A level, -120..0 dBFS."""
    value = _number(text)
    if not -120.0 <= value <= 0.0:
        raise argparse.ArgumentTypeError(f"{text!r} is outside -120..0 dBFS")
    return value


def amount(text: str) -> float:
    """Per cent as a share, 0..AMOUNT_MAX."""

    from realtime.interpolate import AMOUNT_MAX

    value = _number(text)
    if not 0.0 <= value <= 100.0 * AMOUNT_MAX:
        raise argparse.ArgumentTypeError(f"{text!r} is outside 0..{100.0 * AMOUNT_MAX:g} %")
    return value / 100.0


def morph(text: str) -> float:
    """A place between two references, 0..1."""
    value = _number(text)
    if not 0.0 <= value <= 1.0:
        raise argparse.ArgumentTypeError(f"{text!r} is outside 0..1")
    return value


def count(text: str) -> int:
    """A whole number, 0 or more."""
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number")
    return int(text)


def some(text: str) -> int:
    """A whole number above 0."""
    value = count(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return value


def address(text: str) -> tuple[str, int]:
    """Host and port."""

    from realtime.osc import OscError, parse_address

    try:
        return parse_address(text)
    except OscError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def insert(text: str) -> str:
    """A plugin and its slot, as given."""

    from realtime.plugins.requested import parse_insert

    return _checked(text, parse_insert)


def replace(text: str) -> str:
    """An effect and its plugin, as given."""

    from realtime.plugins.requested import parse_replace

    return _checked(text, parse_replace)


def plugin_param(text: str) -> str:
    """A plugin's parameter and its value, as given."""

    from realtime.plugins.requested import parse_value

    return _checked(text, parse_value)


def _checked(text: str, parse: Callable[[str], object]) -> str:
    try:
        parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text
