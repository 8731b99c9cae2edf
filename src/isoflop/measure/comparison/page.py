"""The page of a comparison: one file that needs nothing else, neither a network nor a script."""

from collections.abc import Mapping, Sequence
from importlib.resources import files
from importlib.util import find_spec

from isoflop.bill import FIGURES, Bill
from isoflop.measure.comparison import tables
from isoflop.measure.comparison.markup import Child, Markup, element
from isoflop.measure.comparison.plan import answer_key
from isoflop.measure.comparison.tables import NAMES, shown, with_ends
from isoflop.run import Row

LARGEST = 1.35  # times its natural size is the most that a chart is drawn at
SAMPLE = 20  # questions whose answers are shown
METRICS = {
    "contains": "the share of answers that hold an accepted answer, word for word",
    "exact": "the share of answers that are an accepted answer, as SQuAD compares",
    "f1": "the overlap of words with an accepted answer",
    "cited": "the share of answers with an accepted answer in a quote that is supported",
}
NO_CHARTS = (
    "The charts are left out: they need packages that are not installed "
    "(pip install 'isoflop[plot]'). Then give the same command again: nothing is paid twice."
)


def drawable() -> bool:
    """Whether what draws charts is installed."""
    return all(find_spec(name) is not None for name in ("altair", "vl_convert"))


def page(values: Row, questions: Sequence[Row] = (), rows: Mapping[str, Row] | None = None) -> str:
    """The whole page, as HTML.

    All text of documents, models and answers is escaped. Charts are in it where `drawable`.

    Args:
        values: Of `report.json`.
        questions: Lines of `questions.jsonl`.
        rows: Lines of the run by their key, for the sample of answers.
    """
    title = f"Comparison of {len(values['ways'])} ways on {values['questions']['name']}"
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", http_equiv="Content-Security-Policy",
                content="default-src 'none'; style-src 'unsafe-inline'"),
        element("title", title),
        element("style", Markup(_style())),
    )  # fmt: skip
    main = element(
        "main",
        element("h1", title),
        _advice(values),
        element("p", values["ended"], class_="notice") if values["ended"] else None,
        None if drawable() else element("p", NO_CHARTS, class_="notice"),
        _costs(values),
        _accuracy(values),
        _forecast(values),
        _race(values),
        _agreement(values),
        _made(values),
        _untested(values),
        _answers(values, questions, rows or {}),
        _about(values),
    )
    return "<!doctype html>\n" + element("html", head, element("body", main), lang="en") + "\n"


def _style() -> str:
    style = (files(__package__) / "page.css").read_text("utf-8")
    if drawable():
        from isoflop.drawing import dark_rules

        style += f"@media screen and (prefers-color-scheme: dark) {{\n{dark_rules('.chart')}\n}}\n"
    return style


def _chart(svg: str, caption: str) -> Markup:
    natural = float(svg.partition(' width="')[2].partition('"')[0])
    return element(
        "figure",
        element("div", Markup(svg), class_="chart", style=f"max-width: {LARGEST * natural:.0f}px"),
        element("figcaption", caption),
    )


def _axes(values: Row) -> list[str]:
    """Those on which the cost of any way is known, the report's own first."""
    known = [a for a in NAMES if any(way["cost"].get(a) is not None for way in values["ways"])]
    return sorted(known, key=lambda axis: axis != values["axis"])


def _advised(values: Row) -> str | None:
    advice = values["recommendation"]
    return None if advice is None else str(advice["way"])


def _advice(values: Row) -> Markup:
    advice = values["recommendation"]
    if not advice:
        said = "No way is recommended: " + (
            "no question has a known answer, so accuracy is not known."
            if not values["questions"]["scored"]
            else "none went through."
        )
        return element("section", element("p", said, class_="sentence"), class_="advice")
    way = next(way for way in values["ways"] if way["name"] == advice["way"])
    facts: list[tuple[str, Child]] = [("Accuracy", with_ends(way["accuracy"]))]
    facts += [
        (f"{NAMES[axis]} per question", shown(way["cost"][axis], axis))
        for axis in _axes(values)
        if way["cost"].get(axis) is not None
    ]
    settings = ", ".join(f"{name} {value}" for name, value in advice["settings"].items())
    return element(
        "section",
        element("p", advice["sentence"], class_="sentence"),
        element("dl", [_fact(name, value) for name, value in facts], class_="facts"),
        element("p", f"Settings: {settings}.", class_="soft") if settings else None,
        class_="advice",
    )


def _fact(name: str, value: Child) -> Markup:
    return element("div", element("dt", name), element("dd", value))


def _costs(values: Row) -> Markup | None:
    """A choice of what cost is counted in; what is chosen is shown below."""
    axes = _axes(values)
    if not axes:
        return None
    heading = "Accuracy against cost" if values["frontiers"][axes[0]] else "Cost"
    return element(
        "section",
        element("h2", heading),
        element(
            "div",
            [
                element("input", type="radio", name="axis", id=f"axis-{axis}", checked=at == 0)
                for at, axis in enumerate(axes)
            ],
            element("div", [element("label", NAMES[a], for_=f"axis-{a}") for a in axes],
                    class_="choice"),
            [element("div", _panel(values, axis), class_="panel", id=f"panel-{axis}")
             for axis in axes],
            class_="axes",
        ),
    )  # fmt: skip


def _panel(values: Row, axis: str) -> list[Child]:
    ways = values["ways"]
    return [
        _frontier_chart(values, axis) if drawable() else None,
        element("p", _frontier_said(values, axis), class_="soft"),
        tables.of_costs(ways, axis, values["horizon"], _advised(values)),
        _break_even(values, axis),
    ]


def _frontier_said(values: Row, axis: str) -> str:
    names = values["frontiers"][axis]
    if not names:
        return ""
    return "On the frontier, cheapest first: " + "; ".join(names) + "."


def _frontier_chart(values: Row, axis: str) -> Child:
    from isoflop.drawing import inline_svg
    from isoflop.measure.comparison import charts

    left = charts.not_drawn(values["ways"], axis)
    if len(left) == len(values["ways"]):
        return None
    chart = charts.frontier(values["ways"], axis, advised=_advised(values))
    title = f"Accuracy against {NAMES[axis]} of a question"
    said = (
        "Up and to the left is better. Bars: 95 % intervals. Dashed: the frontier, which no other "
        "way beats in both. Ringed: advised. Hollow: not asked every question."
    )
    if left:
        said += f" Not drawn, as accuracy or cost is not known: {_grouped(values['ways'], left)}."
    figures = "; ".join(
        f"{way['name']}: {way['accuracy']['value']:.1%} at {shown(way['cost'][axis], axis)}"
        for way in values["ways"]
        if way["name"] not in left
    )
    return _chart(inline_svg(chart, title, f"{figures}. The table below has every figure."), said)


def _grouped(ways: Sequence[Row], names: Sequence[str]) -> str:
    """Names of ways; a model all of whose ways are among them is named once."""
    parts: list[str] = []
    for model in dict.fromkeys(way["model"] for way in ways):
        own = [way["name"] for way in ways if way["model"] == model]
        some = [name for name in own if name in names]
        parts += [f"every way with {model}"] if len(own) == len(some) > 1 else some
    return "; ".join(parts)


def _break_even(values: Row, axis: str) -> list[Child]:
    pairs = tables.of_break_evens(values["break_even"], axis)
    if pairs is None:
        return []
    found: list[Child] = [element("h3", "After how many questions")]
    if drawable():
        from isoflop.drawing import inline_svg
        from isoflop.measure.comparison import charts

        if len(tables.totals(values["ways"], axis)) > 1:
            chart = charts.break_even(
                values["ways"], axis, crossings=values["break_even"], horizon=values["horizon"]
            )
            title = f"{NAMES[axis]} in all against the number of questions"
            said = (
                "Ways of the frontier. Rings: one overtakes another. Dotted upright: the "
                f"{values['horizon']:,.0f} questions over which what is paid once is spread."
            )
            found.append(_chart(inline_svg(chart, title, said), said))
    return [*found, element("details", element("summary", "Every pair that crosses"), pairs)]


def _accuracy(values: Row) -> Markup:
    scored = any(way["accuracy"] for way in values["ways"])
    chart = None
    if drawable() and scored:
        from isoflop.drawing import inline_svg
        from isoflop.measure.comparison import charts

        said = "95 % intervals, clustered by document. Dashed: the most accurate."
        chart = _chart(
            inline_svg(charts.accuracies(values["ways"]), "Accuracy of every way", said), said
        )
    metric = METRICS[values["metric"]]
    if values["wrong"]:
        metric += f", less {values['wrong']:g} for a wrong one"
    table = tables.of_ways(values["ways"], metric, _advised(values))
    notes = [element("p", note, class_="soft") for note in values["questions"].get("notes", ())]
    heading = element("h2", "Accuracy" if scored else "Answers")
    return element("section", heading, chart, table, notes)


def _forecast(values: Row) -> Markup | None:
    if not drawable():
        return None
    from isoflop.drawing import inline_svg
    from isoflop.measure.comparison import charts

    rows = charts.ratios(values["ways"])
    if not rows:
        return None
    said = (
        "A question, measured over forecast: at 1x it took what was said before. Bands: what the "
        "forecast allowed."
    )
    figures = "; ".join(f"{row['way']}, {row['figure']}: {row['ratio']:.2f}" for row in rows)
    svg = inline_svg(charts.forecasts(values["ways"]), "Measured over forecast", figures)
    return element("section", element("h2", "Forecast beside measured"), _chart(svg, said))


def _race(values: Row) -> Markup:
    race = values["race"]
    said = f"Racing saved {race['saved']:.0%} of the calls; {race['guarantee']}."
    if race.get("over_for"):
        said += f" The race was over for {race['over_for']} before every question was asked."
    said = said.replace(" %", "\N{NO-BREAK SPACE}%")
    return element(
        "section",
        element("h2", "What was stopped early"),
        element(
            "p", said if race["on"] else "No way was stopped: every question was asked of all."
        ),
        tables.of_race(race["stops"]) if race["stops"] else None,
    )


def _agreement(values: Row) -> Markup | None:
    if not values["agreement"]:
        return None
    rows = [
        tables.row(pair["one"], pair["other"], tables.share(pair["f1"]), text=(1,))
        for pair in values["agreement"]
    ]
    caption = "Mean overlap of words (F1) between the answers of two ways."
    return element(
        "section",
        element("h2", "How far the ways agree"),
        tables.table(caption, ("Way", "and", "agree"), rows, text=(0, 1)),
    )


def _made(values: Row) -> Markup | None:
    """What questions made from the documents give away."""
    asked = values["questions"]
    if not asked["made"]:
        return None
    rows = [
        tables.row(
            leak["form"], f"{leak['questions']:,}", tables.share(leak["overlap"]),
            tables.share(leak["guessed"]),
        )
        for leak in asked["leak"]
    ]  # fmt: skip
    return element(
        "section",
        element("h2", "What the questions give away"),
        element(
            "p",
            "The questions were made from the documents, so their words are those of the sentence "
            "that answers them: retrieval by words is flattered. Questions that people asked say "
            "more.",
        ),
        tables.table(
            "By form: words shared with the source, and what the best constant answer gets.",
            ("Form", "Questions", "Shared words", "Guessed"),
            rows,
        ),
    )


def _untested(values: Row) -> Markup | None:
    if not values["untested"]:
        return None
    rows = [tables.row(each["name"], each["reason"], text=(1,)) for each in values["untested"]]
    return element(
        "section",
        element("h2", "What was not tested"),
        tables.table("Methods and models left out, and why.", ("Way", "Why"), rows, text=(0, 1)),
    )


def _answers(values: Row, questions: Sequence[Row], rows: Mapping[str, Row]) -> Markup | None:
    found = []
    for question in questions[:SAMPLE]:
        keys = [(way, answer_key(way["name"], question["id"])) for way in values["ways"]]
        answers = [(way, rows[key]) for way, key in keys if key in rows]
        if answers:
            found.append(tables.of_answers(question, answers, values["metric"]))
    if not found:
        return None
    return element(
        "section",
        element("h2", "Answers"),
        element("details", element("summary", f"The first {len(found)} questions"), found),
    )


def _watts(watts: float | None) -> str:
    return "unknown watts" if watts is None else f"{watts:g} W"


def _about(values: Row) -> Markup:
    asked, machine, spent = values["questions"], values["machine"], Bill.from_dict(values["spent"])
    taken = [
        f"{shown(getattr(spent, axis), axis)} ({spent.basis_of(axis) or 'measured'})"
        for axis in NAMES
        if getattr(spent, axis) is not None
    ]
    tokens = [
        f"{getattr(spent, name):,.0f} {name.replace('_', ' ')}"
        for name in FIGURES
        if name.endswith("tokens") and getattr(spent, name)
    ]
    facts: list[tuple[str, Child]] = [
        ("Date", values["date"]),
        ("Documents", f"{', '.join(values['documents'])} ({values['passages']:,} passages)"),
        ("Questions", f"{asked['name']}: {asked['measured']:,} to measure on, "
                      f"{asked['scored']:,} scored"),
        ("Models", ", ".join(values["models"])),
        ("Machine", f"{machine['count']} x {machine['name']}, {_watts(machine['watts'])} each; "
                    f"grid: {machine['grid'] or 'unknown'}"),
        ("Budget", values["budget"] or "none"),
        ("Spent", "; ".join([*taken, *tokens])),
        ("Cost axis", f"{NAMES[values['axis']]}; what is paid once is spread over "
                      f"{values['horizon']:,.0f} questions"),
    ]  # fmt: skip
    notes: dict[str, list[str]] = {}
    for way in values["ways"]:
        for note in way["notes"]:
            notes.setdefault(note, []).append(way["name"])
    facts += [("; ".join(names), note) for note, names in notes.items()]
    pairs = [(element("dt", name), element("dd", value)) for name, value in facts]
    return element(
        "section",
        element("h2", "How it was measured"),
        element("dl", pairs, class_="about"),
    )
