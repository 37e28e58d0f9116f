"""How numbers are printed, on pages and in terminals alike: digits, percent, points, intervals, p values; and names."""


def number(value: float, digits: int = 2, *, signed: bool = False) -> str:
    """Return a number with a true minus sign, as wide as a plus; `signed` shows the plus too."""
    return f"{value:{'+' if signed else ''}.{digits}f}".replace("-", "−")


def visible(name: str) -> str:
    """Return a name as a terminal can show it: control characters, and bytes that are no text, become their numbers.

    Names come from strangers' files and servers, and must neither steer the terminal nor hide what they are.
    """
    return "".join(letter if letter.isprintable() or letter == "\n" else _called(letter) for letter in name)


def _called(letter: str) -> str:
    """Return the number of a letter that cannot be shown; a byte that is no text is one that Python has set apart."""
    byte = ord(letter) - 0xDC00
    return f"\\x{byte:02x}" if 0x80 <= byte <= 0xFF else repr(letter)[1:-1]


def percent(share: float, digits: int = 0) -> str:
    """Return a share as percent: 0.655 is `66 %`."""
    return f"{number(100 * share, digits)} %"


def points(share: float, *, signed: bool = False) -> str:
    """Return a share in percentage points to one digit, without a unit: 0.655 is `65.5`."""
    return number(100 * share, 1, signed=signed)


def interval(low: float | None, high: float | None, digits: int = 2, *, signed: bool = False) -> str:
    """Return `low to high`, or nothing where there is no interval."""
    if low is None or high is None:
        return ""
    return f"{number(low, digits, signed=signed)} to {number(high, digits, signed=signed)}"


def p_value(p: float | None) -> str:
    """Return p with as many digits as it deserves; nothing where nothing was tested."""
    if p is None:
        return ""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"
