"""Figures as people read them: with a prefixed unit, as money, as a time; unknown is a dash."""

DASH = "-"

# prefixes of the International System of Units, largest first
_LARGE = ((1e18, "E"), (1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""))
_SMALL = ((1e-3, "m"), (1e-6, "u"), (1e-9, "n"))


def amount(figure: float | None, unit: str, digits: int = 3) -> str:
    """A figure with a prefixed unit: `amount(0.0123, "s")` is "12.3 ms"; None is a dash."""
    if figure is None:
        return DASH
    if figure == 0:
        return f"0 {unit}"
    for factor, prefix in (*_LARGE, *_SMALL):
        if abs(figure) >= factor * (1 - 0.5 * 10**-digits):
            return f"{_rounded(figure / factor, digits)} {prefix}{unit}"
    return f"{figure:.1e} {unit}"


def _rounded(value: float, digits: int) -> str:
    text = f"{value:.{digits}g}"
    return f"{float(text):.0f}" if "e" in text else text


def dollars(figure: float | None) -> str:
    """An amount of money; None is a dash."""
    if figure is None:
        return DASH
    return f"${figure:,.2f}" if figure >= 1 or figure == 0 else f"${figure:.2g}"


def duration(seconds: float) -> str:
    """A time to wait: "12 s", "3:05 min", "2:10 h"."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    if seconds < 3600:
        return f"{int(seconds // 60)}:{int(seconds % 60):02d} min"
    return f"{int(seconds // 3600)}:{int(seconds % 3600 // 60):02d} h"
