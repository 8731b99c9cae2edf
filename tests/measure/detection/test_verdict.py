import math
from pathlib import Path

import numpy as np
import pytest

from isoflop.errors import UsageError
from isoflop.measure.detection.detectors import Scored, find
from isoflop.measure.detection.normalise import normalised
from isoflop.measure.detection.reading import of_text, read_humans, read_text
from isoflop.measure.detection.verdict import Calibration, Human
from isoflop.measure.likelihood import TokenStream

DRAW = np.random.default_rng(7)


def stream(shift: float = 0.0, tokens: int = 60, draw: np.random.Generator = DRAW) -> Scored:
    """A text whose Fast-DetectGPT score is normal around `shift`."""
    log_p = np.full(tokens, -3.0)
    log_p[0] += math.sqrt(tokens) * (draw.standard_normal() + shift)
    ones = np.ones(tokens, np.int64)
    made = TokenStream(
        np.zeros(tokens, np.int64), ones, ones, log_p, ones * 4, np.full(tokens, -3.0),
        np.ones(tokens),
    )  # fmt: skip
    return Scored("a" * tokens, made, (((0, tokens), slice(0, tokens)),))


def calibration(humans: int, level: float = 0.05) -> Calibration:
    known = [Human(stream(), "ab"[at % 2]) for at in range(humans)]
    return Calibration(known, find("fast-detect-gpt"), level)


@pytest.mark.parametrize("n", [19, 39])
def test_human_texts_are_flagged_no_more_often_than_the_level(n: int) -> None:
    draw = np.random.default_rng(n)
    flagged, rounds, each = 0, 30, 20
    rates = []
    for _ in range(rounds):
        known = [Human(stream(draw=draw)) for _ in range(n)]
        made = Calibration(known, find("fast-detect-gpt"), 0.1)
        found = [made.judge(stream(draw=draw)).outcome for _ in range(each)]
        rates.append(found.count("machine-like") / each)
        flagged += found.count("machine-like")
    error = float(np.std(rates, ddof=1)) / math.sqrt(rounds)
    assert 0 < flagged / (rounds * each) <= 0.1 + 3 * error


def test_there_are_three_outcomes() -> None:
    made = calibration(99)
    outcomes = [made.judge(stream(shift)).outcome for shift in (-6, 6)]
    assert outcomes == ["human-like", "machine-like"]
    middle = {made.judge(stream(1.0, draw=np.random.default_rng(s))).outcome for s in range(40)}
    assert "undecided" in middle


def test_no_error_rate_below_one_over_the_texts_is_promised() -> None:
    made = calibration(19)
    assert made.judge(stream(50)).p["fast-detect-gpt"] == pytest.approx(1 / 20)


def test_three_human_texts_give_no_verdict_and_the_reason() -> None:
    found = calibration(3).judge(stream(50))
    assert found.outcome is None
    assert "no error rate below 1/4 can be promised" in found.reason
    assert "needs 19" in found.reason


def test_a_short_text_gives_no_verdict() -> None:
    found = calibration(99).judge(stream(50, tokens=49))
    assert (found.outcome, found.p) == (None, {})
    assert "49 tokens are too few" in found.reason


def test_texts_are_compared_at_equal_length() -> None:
    known = [Human(stream(tokens=60 + at)) for at in range(100)]
    made = Calibration(known, find("fast-detect-gpt"))
    assert (made.judge(stream(tokens=70)).tokens, made.judge(stream(tokens=70)).humans) == (70, 90)
    far = made.judge(stream(tokens=5000))
    assert (far.tokens, far.humans) == (80, 80)


def test_a_group_that_is_flagged_more_often_is_seen() -> None:
    known = [Human(stream(), "native") for _ in range(150)]
    known += [Human(stream(2.5), "learners") for _ in range(20)]
    groups = {g.name: g for g in Calibration(known, find("fast-detect-gpt")).groups()}
    assert groups["learners"].rate.low > groups["native"].rate.high
    assert sum(g.flagged for g in groups.values()) <= 0.05 * 170


@pytest.mark.parametrize("level", [0.0, 1.0, -1, math.nan])
def test_a_level_that_is_no_probability_is_refused(level: float) -> None:
    with pytest.raises(UsageError, match="level"):
        calibration(20, level)


def test_layout_and_look_alikes_are_undone_and_counted() -> None:
    found = normalised(
        "  The  c\u0430t\u200b sat.\n\nOn\u00a0a \uff4d\uff41\uff54. \u0410nd \u0440\u0430x.  "
    )
    assert found.text == "The cat sat. On a mat. And pax."
    assert found.changes == {
        "invisible characters": 1, "full-width forms": 3, "look-alike letters": 4,
        "line ends": 2, "other white space": 2,
    }  # fmt: skip


@pytest.mark.parametrize(
    "text", ["Мама мыла раму.", "\u039f \u039d\u03af\u03ba\u03bf\u03c2.", "na\u00efve caf\u00e9"]
)
def test_text_of_another_script_stays_what_it_is(text: str) -> None:
    assert normalised(text).text == text


def test_normalising_twice_changes_nothing_more() -> None:
    once = normalised("a\u00a0b\n\u0441at \ufb01ne")
    assert normalised(once.text).changes == {}


def test_empty_binary_and_foreign_files_are_refused(tmp_path: Path) -> None:
    for name, content, said in (
        ("blank.txt", b" \n\t ", "is empty"),
        ("zero.txt", b"ab\0cd", "zero bytes"),
        ("latin.txt", b"caf\xe9 noir", "not UTF-8"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(UsageError, match=said):
            read_text(tmp_path / name)


def test_of_a_file_larger_than_memory_only_the_beginning_is_read(tmp_path: Path) -> None:
    file = tmp_path / "sparse.txt"
    with file.open("wb") as opened:
        opened.write(b"word " * 500_000)
        opened.truncate(1 << 40)  # a terabyte, of which nothing is on the disk
    found = read_text(file)
    assert not found.whole
    assert len(found.normal.text) <= 200_000


def test_human_texts_have_the_group_of_their_folder(tmp_path: Path) -> None:
    for name in ("native/a.txt", "learners/b.md", "c.txt", "d.pdf"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(f"Text {name}")
    (tmp_path / "e.txt").write_bytes(b"\0\0")
    found, left = read_humans(tmp_path)
    assert [group for _, group in found] == ["", "learners", "native"]
    assert len(left) == 2
    with pytest.raises(UsageError, match="no such folder"):
        read_humans(tmp_path / "none")


def test_a_text_in_memory_is_cut_and_says_so() -> None:
    assert not of_text("a", "word " * 100, most=50).whole
    assert of_text("a", "word").whole
