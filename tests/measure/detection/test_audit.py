import csv
import json
import math
from pathlib import Path

import numpy as np
import pytest

from isoflop.errors import IsoflopError, UsageError
from isoflop.measure.detection.audit import Audit, audit
from isoflop.measure.detection.sets import read_set, read_sets
from isoflop.measure.detection.surface import FEATURES


@pytest.fixture(scope="module")
def audits(evaldata: Path) -> dict[str, Audit]:
    return {one.set.name: one for one in map(audit, read_sets(evaldata / "detect"))}


# recomputed from the raw files of baoguangsheng/fast-detect-gpt
@pytest.mark.parametrize(
    ("name", "fast", "likelihood", "difference", "error", "newlines"),
    [
        ("xsum_gpt-4", 0.9067, 0.7980, 0.1086, 0.0245, 0.970),
        ("pubmed_gpt-4", 0.8503, 0.8104, 0.0399, 0.0244, 0.500),
    ],
)
def test_recorded_scores_give_the_published_areas(
    audits: dict[str, Audit], name: str, fast: float, likelihood: float, difference: float,
    error: float, newlines: float,
) -> None:  # fmt: skip
    of = audits[name]
    assert [round(row.area.value, 4) for row in of.rows] == [fast, likelihood]
    assert all(row.published == pytest.approx(row.area.value, abs=1e-9) for row in of.rows)
    (apart,) = of.differences()
    assert apart.areas.difference.value == pytest.approx(difference, abs=5e-5)
    assert apart.areas.difference.standard_error == pytest.approx(error, abs=5e-5)
    assert of.raw is not None
    by_name = {feature.name: feature for feature in of.raw.features}
    assert by_name["newlines"].area.value == pytest.approx(newlines, abs=5e-4)
    assert by_name["newlines"].leaks == (newlines > 0.5)


def test_a_detector_may_be_above_the_floor_of_normalised_texts_only(tmp_path: Path) -> None:
    words = ["one", "two", "six", "ten"]
    texts = [[f"{words[at % 4]} {words[at % 3]}." for at in range(60)] for _ in range(2)]
    texts[1] = [text.replace(" ", "\n") for text in texts[1]]
    draw = np.random.default_rng(1)
    scores = draw.normal([0.0] * 60 + [2.0] * 60)
    rows: list[dict[str, object]] = [
        {"text": text, "label": int(at >= 60), "score": score}
        for at, (text, score) in enumerate(zip(texts[0] + texts[1], scores, strict=True))
    ]
    of = audit(read_set(write(tmp_path / "a.jsonl", rows)))
    assert of.rows[0].flags == ("not above the surface floor",)


def test_normalisation_takes_the_newlines_away(audits: dict[str, Audit]) -> None:
    plain = audits["xsum_gpt-4"].plain
    assert plain is not None
    assert {f.name: f.area.value for f in plain.features}["newlines"] == 0.5


def write(path: Path, rows: list[dict[str, object]]) -> Path:
    if path.suffix == ".csv":
        with path.open("w", newline="") as file:
            out = csv.DictWriter(file, list(rows[0]))
            out.writeheader()
            out.writerows(rows)
    elif path.suffix == ".jsonl":
        path.write_text("\n".join(map(json.dumps, rows)))
    else:
        path.write_text(json.dumps(rows))
    return path


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".json"])
def test_rows_with_labels_and_scores_are_read(tmp_path: Path, suffix: str) -> None:
    rows: list[dict[str, object]] = [
        {"text": f"text {at}", "label": label, "score": at / 10}
        for at, label in enumerate(["human", "human", "gpt-4", "human", "gpt-4"])
    ]
    found = read_set(write(tmp_path / f"set{suffix}", rows))
    assert found.machine.tolist() == [False, False, True, False, True]
    of = audit(found)
    assert of.rows[0].name == "score"
    assert of.rows[0].area.value == pytest.approx(5 / 6)


def test_pairs_of_other_publishers_are_read(tmp_path: Path) -> None:
    hc3: list[dict[str, object]] = [
        {"question": "q", "human_answers": [f"h{i}", "x"], "chatgpt_answers": [f"c{i}"]}
        for i in range(3)
    ]
    assert read_set(write(tmp_path / "hc3.jsonl", hc3)).texts == (
        "h0",
        "h1",
        "h2",
        "c0",
        "c1",
        "c2",
    )
    other: list[dict[str, object]] = [
        {"article": f"h{i}", "falcon_generated_text_wo_prompt": f"c{i}"} for i in range(3)
    ]
    assert read_set(write(tmp_path / "b.jsonl", other)).pairs == (0, 1, 2, 0, 1, 2)


def test_scores_published_without_texts_have_no_floor(tmp_path: Path) -> None:
    # as Binoculars' experiments write them: score, class; low scores for machines
    rows: list[dict[str, object]] = [
        {"score": 1.0 - 0.01 * at, "class": int(at > 19)} for at in range(40)
    ]
    of = audit(read_set(write(tmp_path / "score_df.csv", rows)))
    assert of.raw is None
    assert of.rows[0].area.value == 0
    assert "other way round" in of.rows[0].flags[0]


def result(scores: list[float], area: float) -> dict[str, object]:
    half = len(scores) // 2
    return {
        "name": "x_threshold",
        "predictions": {"real": scores[:half], "samples": scores[half:]},
        "raw_results": [
            {"original": f"human text {at}", "sampled": f"other text, {at}"} for at in range(half)
        ],
        "metrics": {"roc_auc": area},
    }


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("squad_gpt-neo-2.7B.npr.json", "x"),
        ("xsum_gpt-3.5-turbo.gpt-neo-2.7B.lrr.json", "x (gpt-neo-2.7B)"),
        ("xsum_gpt-4.roberta-base-openai-detector.json", "x"),
    ],
)
def test_a_detector_is_named_with_its_models(tmp_path: Path, name: str, title: str) -> None:
    (tmp_path / name).write_text(json.dumps(result([0.1, 0.2, 0.3, 0.4], 1.0)))
    assert read_set(tmp_path / name).recorded[0].name == title


def test_saturated_tied_missing_and_misquoted_scores_are_flagged(tmp_path: Path) -> None:
    scores = [0.0, 0.0, 0.0, 0.3, math.nan, 0.5, 1.0, 1.0, 1.0, 0.0]
    path = tmp_path / "set.m.x.json"
    path.write_text(json.dumps(result(scores, 0.9)))
    (row,) = audit(read_set(path)).rows
    said = " ".join(row.flags)
    assert row.name == "x (m)"
    assert row.area.value == pytest.approx((16 + 4 * 0 + 1.5) / 20)
    for words in ("saturated", "ties", "1 texts without a score", "says 0.9000"):
        assert words in said


def test_a_detector_that_counts_letters_is_not_above_the_floor(tmp_path: Path) -> None:
    draw = np.random.default_rng(3)
    texts = [["w" * int(n) + " end" for n in draw.integers(3, 9 + 4 * k, 60)] for k in (0, 1)]
    (tmp_path / "s.raw_data.json").write_text(
        json.dumps({"original": texts[0], "sampled": texts[1]})
    )
    rows = [
        {"original": h, "sampled": m, "original_crit": len(h), "sampled_crit": len(m)}
        for h, m in zip(*texts, strict=True)
    ]
    scores = [[row[f"{kind}_crit"] for row in rows] for kind in ("original", "sampled")]
    (tmp_path / "s.length.json").write_text(
        json.dumps({"predictions": dict(zip(("real", "samples"), scores, strict=True)),
                    "raw_results": rows, "name": "length"})
    )  # fmt: skip
    (found,) = read_sets(tmp_path)
    assert (found.name, len(found.recorded)) == ("s", 1)
    of = audit(found)
    assert of.raw is not None
    assert {"characters", "word length"} <= {f.name for f in of.raw.features if f.leaks}
    assert "not above the surface floor, nor after normalisation" in of.rows[0].flags


def test_texts_without_a_difference_do_not_leak() -> None:
    draw = np.random.default_rng(11)
    words = ["stone", "river", "harbour", "of", "the", "and", "was", "Ann", "tall"]
    leaks = 0
    from isoflop.measure.detection.surface import surface

    for _ in range(40):
        texts = [" ".join(draw.choice(words, 30)) + "." for _ in range(80)]
        kinds = np.arange(80) >= 40
        found = surface(texts, kinds, [*range(40), *range(40)])
        leaks += any(feature.leaks for feature in found.features)
        assert len(found.features) == len(FEATURES)
    assert leaks <= 6  # 5 % of 40 is 2; 7 or more have a probability of 0.3 %


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.json", "{}", "no set is recognised"),
        ("a.json", '{"original": ["a"], "sampled": []}', "no machine texts"),
        ("a.csv", "text,label\na,0\nb,7\n", "neither 0 nor 1"),
        ("a.csv", "text,label\na,0\nb,\n", "no label"),
        ("a.jsonl", "", "no set is recognised"),
        ("a.txt", "words", "a set is a file named"),
    ],
)
def test_what_is_no_set_is_refused(tmp_path: Path, name: str, content: str, said: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(UsageError, match=said):
        read_set(tmp_path / name)


def test_a_damaged_file_and_a_missing_one_are_told(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"original": ["a"')
    with pytest.raises(IsoflopError, match="damaged"):
        read_set(tmp_path / "a.json")
    with pytest.raises(UsageError, match="no such file"):
        read_sets(tmp_path / "none")
