"""Pictures of bits per byte: what they show is read back from the drawing."""

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from isoflop.cli import group


def marks(drawing: Path) -> list[dict[str, str]]:
    """What each mark of a drawing says of itself, for those who cannot see it."""
    labels = re.findall(
        r'aria-label="([a-z]+: [^"]*)"', drawing.read_text("utf-8").replace("\u2212", "-")
    )
    return [dict(part.split(": ", 1) for part in label.split("; ")) for label in labels]


def test_perplexities_of_several_files_are_drawn_with_their_intervals(tmp_path: Path) -> None:
    for name, size in (("one.txt", 5000), ("two.txt", 300)):
        (tmp_path / name).write_text(("The tide comes in and the boats go out. " * 200)[:size])
    names, out = [str(tmp_path / name) for name in ("one.txt", "two.txt")], tmp_path / "bits.svg"
    asked = ["perplexity", *names, "--model", f"ngram:{names[0]}", "--window", "64", "--json"]
    run = CliRunner().invoke(group, [*asked, "--plot", str(out)], catch_exceptions=False)
    printed = {
        (row["text"], "64 apart" if each["stride"] == 64 else "64 sliding by 32"): each
        for row in json.loads(run.stdout)["texts"]
        for each in row["windows"]
    }
    drawn = marks(out)
    points = {(m["text"], m["windows"]): float(m["bits"]) for m in drawn if "bits" in m}
    lines = {
        (m["text"], m["windows"]): (float(m["low"]), float(m["high"])) for m in drawn if "low" in m
    }
    assert points.keys() == lines.keys() == printed.keys()
    assert any(each["interval"] is None for each in printed.values())
    for key, each in printed.items():
        assert points[key] == pytest.approx(each["bits_per_byte"])
        interval = each["interval"] or {"low": points[key], "high": points[key]}
        assert lines[key] == pytest.approx((interval["low"], interval["high"]))


def test_a_compressed_file_is_drawn_beside_the_other_compressors(tmp_path: Path) -> None:
    text, out = tmp_path / "text.txt", tmp_path / "bars.svg"
    text.write_text("The tide comes in, and the boats go out to the banks where the herring is.\n")
    asked = ["compress", str(text), "--out", str(tmp_path / "small"), "--json", "--plot", str(out)]
    run = CliRunner().invoke(group, asked, catch_exceptions=False)
    printed = json.loads(run.stdout)
    drawn = {mark["compressor"]: float(mark["bits"]) for mark in marks(out)}
    installed = {
        name: row["bits_per_byte"] for name, row in printed["rivals"].items() if row["bytes"]
    }
    assert drawn == pytest.approx({"isoflop:prose": printed["bits_per_byte"]} | installed)
    assert list(drawn.values()) == sorted(drawn.values())
