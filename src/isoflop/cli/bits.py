"""Bits per byte drawn: of texts read by a model, and of a text by several compressors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import altair as alt

from isoflop.drawing import COLOURS, GREY, base, write

if TYPE_CHECKING:
    from isoflop.measure.predicted import Perplexity


def bits_by_file(
    model: str, found: Sequence[tuple[str, Sequence[Perplexity]]], out: str | Path
) -> Path:
    """Draw bits per byte of several texts, each in the windows it was read in.

    Args:
        model: Its name.
        found: Each text's name and figures; the texts are drawn in this order.
        out: File to write: .svg, .png or .html.

    Returns:
        The file. A line is the 95 % interval for other texts of the kind, where there is one.
    """
    rows = [
        {"text": text, "windows": _windows(one), "bits": one.bits_per_byte, **_ends(one)}
        for text, each in found
        for one in each
    ]
    names = list(dict.fromkeys(text for text, _ in found))
    kinds = list(dict.fromkeys(_windows(one) for _, each in found for one in each))
    y = alt.Y("text:N", sort=names, title=None, axis=alt.Axis(labelLimit=240))
    apart = alt.YOffset("windows:N", sort=kinds)
    colour = alt.Color("windows:N", scale=alt.Scale(domain=kinds, range=COLOURS), title=None)
    x = alt.X("bits:Q", scale=alt.Scale(zero=True), axis=alt.Axis(title="bits per byte"))
    chart = alt.layer(
        base(rows).mark_rule(strokeWidth=2).encode(
            alt.X("low:Q"), y, alt.X2("high:Q"), yOffset=apart, color=colour
        ),
        base(rows).mark_point(filled=True, size=70, opacity=1).encode(
            x, y, yOffset=apart, color=colour
        ),
    )  # fmt: skip
    said = "Lines: 95 % intervals for other texts of the same kind and length. Less is better."
    return write(chart, out, f"Bits per byte by {model}", said)


def compressors(
    file: str, model: str, rate: float, rivals: Mapping[str, float | None], out: str | Path
) -> Path:
    """Draw what a model and general compressors make of one file, in bits per byte.

    Args:
        file: Its name.
        model: Whose predictions compressed it.
        rate: Of the whole container.
        rivals: Bits per byte by compressor; None where it is not installed.
        out: File to write: .svg, .png or .html.

    Returns:
        The file. Compressors that are not installed are left out.
    """
    known = {name: bits for name, bits in rivals.items() if bits is not None}
    rows: list[dict[str, Any]] = [
        {"compressor": name, "bits": bits, "own": name == model}
        for name, bits in sorted({model: rate, **known}.items(), key=lambda one: one[1])
    ]
    y = alt.Y("compressor:N", sort=[row["compressor"] for row in rows], title=None)
    x = alt.X("bits:Q", axis=alt.Axis(title="bits per byte"))
    colour = alt.condition("datum.own", alt.value(COLOURS[0]), alt.value(GREY))
    figure = alt.Text("bits:Q", format=".3f")
    chart = alt.layer(
        base(rows).mark_bar(height={"band": 0.6}).encode(x, y, color=colour),
        base(rows).mark_text(align="left", dx=5).encode(x, y, figure),
    )
    return write(chart, out, f"{file}, compressed", "The model's own bytes are not counted.")


def _windows(of: Perplexity) -> str:
    unit = "" if of.unit == "tokens" else " characters"
    way = "apart" if of.stride == of.window else f"sliding by {of.stride:,}"
    return f"{of.window:,}{unit} {way}"


def _ends(of: Perplexity) -> dict[str, float]:
    interval = of.interval
    if interval is None:
        return {"low": of.bits_per_byte, "high": of.bits_per_byte}
    return {"low": interval.low, "high": interval.high}
