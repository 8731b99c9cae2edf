"""The page says all that was found, runs nothing, fetches nothing, and believes nobody's markup."""

import json
import re
import subprocess
import sys
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from lxml import etree, html  # type: ignore[import-untyped]  # no stubs

from isoflop.errors import EndpointError
from isoflop.measure.comparison.page import page
from isoflop.measure.comparison.report import Report
from isoflop.measure.comparison.tables import NAMES, of_answers
from isoflop.questions import Question
from tests.measure.comparison.reported import answering, reported, usual
from tests.measure.comparison.scripted import numbered

HOSTILE = "</td><script>alert('x')</script><img src=http://evil.example/a onerror=alert(1)>&amp;"


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """Of five ways with two models."""
    return usual(tmp_path_factory.mktemp("run"))


def parsed(text: str) -> Any:
    """The page as a tree; what a browser would have to mend is an error."""
    parser = etree.HTMLParser(recover=False, huge_tree=True)
    shapes = re.sub(r"<svg .*?</svg>", "", text, flags=re.DOTALL)  # unknown to HTML 4
    for new in ("main", "section", "figure", "figcaption", "details", "summary"):
        shapes = re.sub(rf"<(/?){new}\b", r"<\1div", shapes)
    etree.fromstring(shapes, parser)
    return html.fromstring(text)


def cells(tree: Any, caption: str) -> list[list[str]]:
    """Rows of the first table whose caption begins so."""
    found = [t for t in tree.iter("table") if t.get("aria-label").startswith(caption)]
    return [[c.text_content().strip() for c in row] for row in found[0].iter("tr")][1:]


def test_the_page_stands_beside_the_other_files_of_the_run(report: Report) -> None:
    names = {path.name for path in report.folder.iterdir()}
    assert {"report.json", "report.csv", "report.html", "frontier.svg", "frontier.png"} <= names
    assert (report.folder / "report.html").read_text("utf-8") == report.page()
    assert (report.folder / "frontier.png").read_bytes().startswith(b"\x89PNG")


def test_the_advice_comes_first(report: Report) -> None:
    text = parsed(report.page()).find("body").text_content()
    assert report.recommendation is not None
    sentence = report.recommendation["sentence"]
    assert sentence in text
    assert text.index(sentence) < text.index("Accuracy against cost")


def test_every_way_is_there_with_its_accuracy_and_interval(report: Report) -> None:
    rows = {row[0]: row for row in cells(parsed(report.page()), "Every way.")}
    assert set(rows) == {way["name"] for way in report.ways}
    for way in report.ways:
        found = way["accuracy"]
        said = f"{found['value']:.1%}{found['low']:.1%} to {found['high']:.1%}"
        assert rows[way["name"]][1] == said
        assert rows[way["name"]][3] == f"{way['figures']['exact']:.1%}"


def test_every_cost_is_there_and_what_is_not_known_is_a_dash(report: Report) -> None:
    tree = parsed(report.page())
    flops = {row[0]: row[1:] for row in cells(tree, "FLOPs: forecast")}
    assert flops["retrieval openai:large"] == ["-", "0 FLOP", "-", "-", "-", "-"]  # nothing once
    # 60 tokens read and 1 written at a million each; 500 were read before the first question
    once, each, whole = (flops["retrieval small"][at] for at in (1, 3, 5))
    assert (once, each, whole) == ("500 MFLOP", "61 MFLOP", "61.5 MFLOP")
    dollars = {row[0]: row[1:] for row in cells(tree, "Dollars: forecast")}
    assert dollars["retrieval openai:large"][3] == "$8.1e-05"
    assert dollars["closed-book small"][3] == "-"


def test_a_cost_that_nobody_knows_is_no_choice(report: Report) -> None:
    tree = parsed(report.page())
    chosen = [one.get("id") for one in tree.iter("input")]
    assert chosen == ["axis-flops", "axis-seconds", "axis-dollars"]
    assert {one.get("for") for one in tree.iter("label")} == set(chosen)
    panels = [one.get("id") for one in tree.iter("div") if one.get("class") == "panel"]
    assert panels == [name.replace("axis", "panel") for name in chosen]
    assert [one.get("id") for one in tree.iter("input") if "checked" in one.attrib] == chosen[:1]


def test_the_style_shows_the_panel_that_is_chosen(report: Report) -> None:
    style = parsed(report.page()).find("head/style").text
    for axis in NAMES:
        assert re.search(rf"#axis-{axis}:checked ~ #panel-{axis}\b", style)
        assert f'#axis-{axis}:focus-visible ~ .choice [for="axis-{axis}"]' in style


def test_nothing_is_fetched_and_nothing_runs(report: Report) -> None:
    text = report.page()
    tree = parsed(text)
    assert not list(tree.iter("script", "link", "img", "iframe", "object", "form"))
    for one in tree.iter():
        assert not {"src", "href", "action", "data"} & set(one.attrib)
        assert not [name for name in one.attrib if name.startswith("on")]
    assert "url(" not in text
    assert "@import" not in text
    assert set(re.findall(r"https?://[^\"' <]+", text)) <= {
        "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink",
    }  # fmt: skip


def test_charts_are_drawings_with_a_title_and_a_description(report: Report) -> None:
    drawings = re.findall(r"<svg .*?</svg>", report.page(), flags=re.DOTALL)
    titles = []
    for drawing in drawings:
        tree = etree.fromstring(drawing)
        assert tree.get("role") == "img"
        title, described = (tree.findtext(f"{{*}}{name}") for name in ("title", "desc"))
        assert title
        assert described
        titles.append(title)
    assert len(titles) == len(set(titles))
    assert {
        "Accuracy against FLOPs of a question", "Accuracy against Dollars of a question",
        "FLOPs in all against the number of questions", "Accuracy of every way",
        "Measured over forecast",
    } <= set(titles)  # fmt: skip


def test_drawings_have_no_colour_that_stays_light_in_the_dark(report: Report) -> None:
    from isoflop.drawing import DARK

    text = report.page()
    drawn = "".join(re.findall(r"<svg .*?</svg>", text, flags=re.DOTALL))
    used = set(re.findall(r'(?:fill|stroke)="(#\w+)"', drawn))
    assert used <= set(DARK)
    style = parsed(text).find("head/style").text
    dark = style[style.rindex("@media screen and (prefers-color-scheme: dark)") :]
    assert all(f'.chart [fill="{light}"] {{ fill: {DARK[light]}; }}' in dark for light in used)


def test_break_even_points_are_those_of_the_report(report: Report) -> None:
    rows = cells(parsed(report.page()), "FLOPs: the first way takes more")
    # fine-tuning reads 89,500 tokens more at first and 54 less for each question
    assert ["fine-tuned small", "retrieval small", "1,657"] in rows
    pairs = [pair for pair in report.values["break_even"] if pair["figure"] == "flops"]
    assert len(rows) == len(pairs)


def test_what_was_not_tested_and_what_was_spent_are_there(report: Report) -> None:
    tree = parsed(report.page())
    assert cells(tree, "Methods and models left out") == [
        ["fine-tuned openai:large", "it is served"]
    ]
    text = tree.text_content()
    for said in (
        "forty.jsonl: 40 to measure on, 40 scored",
        "2 x avx2-core",
        "2026-11-29",
        "12 passages",
    ):
        assert said in text


def test_who_was_stopped_is_told_with_the_rival_and_what_was_saved(tmp_path: Path) -> None:
    from isoflop.measure.comparison.racing import FIRST

    count = 4 * FIRST
    asked = tuple(Question(f"q{n}", f"question {n}?", (), ("yes",)) for n in range(count))
    methods = {("good", "m"): answering(count, count), ("bad", "m"): answering(0, count, prompt=50)}
    report = reported(methods, tmp_path, questions=asked, race=True)
    tree = parsed(report.page())
    [[name, rival, after, *_]] = cells(tree, "Ways that stopped early")
    assert (name, rival) == ("bad m", "good m")
    assert int(after) == report.values["race"]["stops"]["bad m"]["questions"] < count
    text = tree.text_content()
    assert f"Racing saved {report.values['race']['saved']:.0%} of the calls" in text
    assert report.values["race"]["over_for"] == "good m"
    assert "The race was over for good m before every question was asked." in text


def test_a_race_that_went_to_the_end_was_over_for_nobody(tmp_path: Path) -> None:
    methods = {("one", "m"): answering(40), ("other", "m"): answering(40, prompt=50)}
    report = reported(methods, tmp_path, race=False)
    assert report.values["race"]["over_for"] is None
    assert "The race was over" not in report.page()


def test_report_json_is_json_even_where_an_e_value_is_infinite(tmp_path: Path) -> None:
    asked = tuple(Question(f"q{n}", f"question {n}?", (), ("yes",)) for n in range(12))
    methods = {("good", "m"): answering(12, 12), ("bad", "m"): answering(0, 12, prompt=50)}
    report = reported(methods, tmp_path, questions=asked, race=True)
    assert report.values["race"]["stops"]

    def refuse(name: str) -> float:
        raise AssertionError(name)

    json.loads((tmp_path / "report.json").read_text("utf-8"), parse_constant=refuse)


def test_text_of_documents_models_and_answers_is_never_markup(report: Report) -> None:
    values = json.loads(
        json.dumps(report.values)
        .replace("openai:large", json.dumps(HOSTILE)[1:-1])
        .replace("it is served", json.dumps(HOSTILE)[1:-1])
    )
    values["documents"] = [HOSTILE]
    values["questions"]["name"] = HOSTILE
    values["ended"] = values["recommendation"]["sentence"] = HOSTILE
    values["ways"][0]["notes"] = [HOSTILE]
    way = values["ways"][-1]["name"]
    answer = {
        "question": HOSTILE, "text": HOSTILE, "abstained": False, "supported": False, "right": None,
        "citations": [
            {"document": HOSTILE, "start": 0, "stop": 9, "quote": HOSTILE, "supported": False}
        ],
    }  # fmt: skip
    asked = {"id": "q", "text": HOSTILE, "answers": [HOSTILE], "scored": True}
    text = page(values, [asked], {f"answer/{way}/q": answer})
    tree = parsed(text)
    assert not list(tree.iter("script", "img"))
    assert tree.text_content().count("<script>alert('x')</script>") > 12
    for drawing in re.findall(r"<svg .*?</svg>", text, flags=re.DOTALL):
        assert not list(etree.fromstring(drawing).iter("{*}script", "{*}img"))


def test_the_first_questions_are_shown_with_what_each_way_answered(report: Report) -> None:
    tree = parsed(report.page())
    shown = [one for one in tree.iter("details") if one.find("summary").text == "question 34?"]
    assert not shown  # only the first are
    [one] = [d for d in tree.iter("details") if d.find("summary").text == "question 7?"]
    rows = {row[0]: row[1:3] for row in cells(one, "Accepted: yes")}
    assert rows["closed-book small"] == ["\u2717 wrong", "no"]
    assert rows["retrieval small"] == ["\u2713 right", "yes"]
    assert "(4 of 5 right)" in one.find("summary").text_content()


def test_a_citation_is_shown_with_its_quote_and_place_and_doubted_if_it_is_not_there() -> None:
    def shown(supported: bool) -> str:
        citation = {"document": "a.md", "start": 1200, "stop": 1234, "quote": "It did.",
                    "supported": supported}  # fmt: skip
        answer = {"text": "x", "abstained": False, "right": None, "citations": [citation]}
        question = {"text": "Did it?", "answers": ["x"]}
        way = {"method": "retrieval", "model": "m"}
        tree = html.fromstring(of_answers(question, [(way, answer)], "contains"))
        return str(cells(tree, "Accepted: x")[0][3])

    assert shown(True) == "It did.a.md, 1,200 to 1,234"
    assert shown(False) == "It did.a.md, 1,200 to 1,234not found there"


def test_where_wrong_answers_lose_and_nothing_costs_anything_there_is_a_page_too(
    tmp_path: Path,
) -> None:
    free = {"flops": (0.0, 0.0)}
    asked = numbered(20)
    methods = {
        ("free", "m"): answering(9, 20, price=free),
        ("idle", "m"): answering(4, 20, price=free),
    }
    report = reported(methods, tmp_path, questions=asked, wrong=1.0)
    assert report.ways[1]["accuracy"]["low"] < 0
    assert report.ways[1]["accuracy"]["low"] >= -1
    tree = parsed(report.page())
    assert [row[3] for row in cells(tree, "FLOPs: forecast")] == ["0 FLOP", "0 FLOP"]
    assert "less 1 for a wrong one" in tree.text_content()


def test_without_answers_there_are_cost_and_agreement_only(tmp_path: Path) -> None:
    methods = {("one", "m"): answering(30), ("other", "m"): answering(30, prompt=50)}
    report = reported(methods, tmp_path, unscored=True)
    assert not (tmp_path / "frontier.svg").exists()
    tree = parsed(report.page())
    assert "No way is recommended: no question has a known answer" in tree.text_content()
    assert cells(tree, "Mean overlap of words") == [["one m", "other m", "100.0%"]]
    assert [row[1] for row in cells(tree, "Every way.")] == ["-", "-"]
    assert len(cells(tree, "FLOPs: forecast")) == 2


def test_one_way_alone_and_questions_made_from_the_documents(tmp_path: Path) -> None:
    report = reported({("one", "m"): answering(30)}, tmp_path, made=True)
    tree = parsed(report.page())
    assert cells(tree, "By form: words shared") == [["cloze", "40", "93.0%", "-"]]
    assert [row[0] for row in cells(tree, "Every way.")] == ["one m"]
    assert "After how many questions" not in tree.text_content()


def test_ways_that_failed_are_named_with_their_reason(tmp_path: Path) -> None:
    def dies(question: str) -> None:
        raise EndpointError("The server <b>died</b>.")

    methods = {("good", "m"): answering(30), ("bad", "m"): answering(40, before=dies)}
    tree = parsed(reported(methods, tmp_path / "one").page())
    rows = {row[0]: row for row in cells(tree, "Every way.")}
    assert rows["bad m"][1:3] == ["-", "-"]
    assert rows["bad m"][-1] == "failed0 questions"
    assert cells(tree, "Methods and models left out") == [["bad m", "The server <b>died</b>."]]
    every = reported({("bad", "m"): answering(40, before=dies)}, tmp_path / "two")
    assert "No way is recommended" in parsed(every.page()).text_content()


def test_without_the_packages_that_draw_the_page_says_which_extra(report: Report) -> None:
    code = (
        "import sys; from pathlib import Path\n"
        "sys.modules.update(altair=None, vl_convert=None)  # to import them is an error now\n"
        "from isoflop.measure.comparison.report import read\n"
        "print(read(Path(sys.argv[1])).page())"
    )
    command = [sys.executable, "-c", code, str(report.folder)]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    tree = parsed(run.stdout)
    assert not list(tree.iter("svg", "{*}svg"))
    assert "pip install 'isoflop[plot]'" in tree.text_content()
    assert len(cells(tree, "FLOPs: forecast")) == 5


def test_a_report_is_made_without_loading_what_draws() -> None:
    code = "import sys, isoflop.measure.comparison.report; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"altair", "vl_convert"} & set(run.stdout.split())


def test_a_report_that_was_read_again_gives_the_same_page(report: Report) -> None:
    from isoflop.measure.comparison.report import read

    assert read(report.folder).page() == report.page()
    assert deepcopy(report.values) == read(report.folder).values
