"""Tables of the page: every figure with where it comes from, and a dash where it is not known."""

from collections.abc import Mapping, Sequence
from typing import Any

from isoflop.bill import Bill
from isoflop.figures import DASH, amount, dollars
from isoflop.measure.comparison.markup import Child, Markup, element

Way = Mapping[str, Any]
NAMES = {
    "flops": "FLOPs", "seconds": "Seconds", "joules": "Joules", "dollars": "Dollars",
    "grams_co2e": "CO2e",
}  # fmt: skip
UNITS = {"flops": "FLOP", "seconds": "s", "joules": "J", "grams_co2e": "g"}
AGAIN = ("seconds", "joules")  # forecast again once a way has answered a few questions
MOST_TEXT = 400  # characters of an answer or a quote; the run has the rest


def shown(figure: float | None, axis: str) -> str:
    """A figure with its unit: "12.3 ms", "$0.02"; a dash where it is not known."""
    if axis == "dollars":
        return dollars(figure)
    return amount(figure, UNITS[axis]).replace(" u", " µ")


def share(figure: float | None) -> str:
    """In per cent."""
    return DASH if figure is None else f"{figure:.1%}"


def with_ends(found: Mapping[str, Any] | None) -> Child:
    """A share with the ends of its interval."""
    if not found:
        return DASH
    ends = f"{found['low']:.1%} to {found['high']:.1%}"
    return share(found["value"]), element("small", ends)


def based(bill: Bill, axis: str) -> Child:
    """A figure of a bill with its basis, where it was not measured."""
    value, basis = getattr(bill, axis), bill.basis_of(axis)
    if value is None or basis in (None, "measured"):
        return shown(value, axis)
    return shown(value, axis), element("small", basis)


def totals(ways: Sequence[Way], axis: str) -> dict[str, tuple[float, float]]:
    """Cost once and per question of the ways on an axis's frontier, by name."""
    found = {}
    for way in ways:
        once, each = paid_once(way), Bill.from_dict(way["measured"].get("each"))
        first, more = getattr(once, axis), getattr(each, axis)
        if axis in way["frontier"] and first is not None and more is not None:
            found[way["name"]] = (first, more)
    return found


def paid_once(way: Way) -> Bill:
    """What a way took before its first question, making the index included."""
    before, once = (Bill.from_dict(way["measured"].get(part)) for part in ("before", "once"))
    return before + once


def table(
    caption: str, head: Sequence[str], rows: Sequence[Child], *, text: Sequence[int] = (0,)
) -> Markup:
    """A table that scrolls on a narrow screen.

    Args:
        caption: What it shows.
        head: Names of the columns.
        rows: Made by `row`.
        text: Columns that hold words.
    """
    names = [
        element("th", name, scope="col", class_="text" if place in text else None)
        for place, name in enumerate(head)
    ]
    whole = element(
        "table",
        element("thead", element("tr", names)),
        element("tbody", rows),
        aria_label=caption,
    )
    return Markup(
        element("p", caption, class_="caption")
        + element("div", whole, class_="scroll", tabindex="0", role="region", aria_label=caption)
    )


def called(way: Way) -> Child:
    """A way's name: its method, and below it its model."""
    method = element("span", way["method"], class_="method")
    return method, " ", element("small", way["model"])


def row(name: Child, *cells: Child, text: Sequence[int] = (), advised: bool = False) -> Markup:
    """A row: its name, then cells; `text` numbers the cells that hold words, from 1."""
    return element(
        "tr",
        element("th", name, scope="row", class_="text"),
        [
            element("td", cell, class_="text" if place in text else None)
            for place, cell in enumerate(cells, start=1)
        ],
        class_="advised" if advised else None,
    )


def of_ways(ways: Sequence[Way], metric: str, advised: str | None) -> Markup:
    """Accuracy and what else was counted of each way."""
    head = (
        "Way", "Accuracy", "Behind the best", "Exact", "F1", "Contains", "Cited", "Not answered",
        "Supported", "Status",
    )  # fmt: skip
    rows = [
        row(
            called(way), with_ends(way["accuracy"]), with_ends(way["behind"]),
            *(share(way["figures"].get(name)) for name in ("exact", "f1", "contains", "cited")),
            share(way["abstained"]), share(way["supported"]),
            (way["status"], element("small", f"{way['questions']:,} questions")),
            text=(9,), advised=way["name"] == advised,
        )
        for way in ways
    ]  # fmt: skip
    caption = f"Every way. Accuracy is {metric}; small figures are the ends of 95 % intervals."
    return table(caption, head, rows, text=(0, 9))


def of_costs(ways: Sequence[Way], axis: str, horizon: float, advised: str | None) -> Markup:
    """What each way was forecast to take on one axis, and what it took."""
    again = axis in AGAIN and any(way["forecast"].get("again") for way in ways)
    head = (
        "Way", "Once, forecast", "Once", "A question, forecast",
        *(["Forecast after five"] if again else []), "A question",
        "Measured / forecast", f"A question with its part of once, over {horizon:,.0f}",
    )  # fmt: skip
    rows = [
        row(
            called(way), _range(way, "once", axis), based(paid_once(way), axis),
            _range(way, "revised", axis), *([_again(way, axis)] if again else []),
            based(Bill.from_dict(way["measured"]["each"]), axis),
            _ratio(way, axis), shown(way["cost"].get(axis), axis), advised=way["name"] == advised,
        )
        for way in ways
    ]  # fmt: skip
    return table(
        f"{NAMES[axis]}: forecast beside measured. Once has the making of the index; what was not "
        "measured says on what it stands."
        + (" Below a forecast after five questions: what the others took of it." if again else ""),
        head,
        rows,
    )


def _again(way: Way, axis: str) -> Child:
    """The forecast that the first answers gave, and what later ones took of it."""
    held = way["forecast"].get("again")
    if held is None:
        return DASH
    later = way["ratio"].get(f"{axis}_after_warm_up")
    figure = shown(getattr(Bill.from_dict(held), axis), axis)
    return figure if later is None else (figure, element("small", f"later x {later:.2f}"))


def _range(way: Way, part: str, axis: str) -> Child:
    """A forecast with its ends; the index was made before, so it is in "once" as it was paid."""
    before = Bill.from_dict(way["forecast"]["before"]) if part == "once" else Bill()
    ends = way["forecast"][part]
    low, middle, high = (
        getattr(before + Bill.from_dict(ends[end]), axis) for end in ("low", "middle", "high")
    )
    if low is None or middle is None or high is None or low == high:
        return shown(middle, axis)
    return shown(middle, axis), element("small", f"{shown(low, axis)} to {shown(high, axis)}")


def _ratio(way: Way, axis: str) -> str:
    if not way["questions"]:
        return DASH
    was = way["measured"]["each"][axis]
    said = way["forecast"]["revised"]["middle"][axis]
    return f"{was / said:.2f}" if said and was is not None else DASH


def of_break_evens(pairs: Sequence[Mapping[str, Any]], axis: str) -> Markup | None:
    """After how many questions which way costs less in all."""
    some = sorted((pair for pair in pairs if pair["figure"] == axis), key=lambda p: p["questions"])
    if not some:
        return None
    rows = [
        row(pair["overtaking"], pair["overtaken"], f"{max(1, pair['questions']):,.0f}", text=(1,))
        for pair in some
    ]
    return table(
        f"{NAMES[axis]}: the first way takes more at the start and less in all after so many "
        "questions.",
        ("This way", "costs less than", "after questions"),
        rows,
        text=(0, 1),
    )


def of_race(stops: Mapping[str, Mapping[str, Any]]) -> Markup:
    """Who stopped and why."""
    rows = [
        row(
            name, stop["rival"], f"{stop['questions']:,}", f"{stop['difference']:+.1%}",
            "beyond doubt" if stop["e_value"] is None else f"{stop['e_value']:,.0f}",
            stop.get("why", "beaten"), text=(1, 5),
        )
        for name, stop in stops.items()
    ]  # fmt: skip
    head = ("Stopped", "Rival", "After questions", "Rival ahead by", "e-value", "Why")
    return table("Ways that stopped early.", head, rows, text=(0, 1, 5))


def of_answers(
    question: Mapping[str, Any], answers: Sequence[tuple[Way, Mapping[str, Any]]], metric: str
) -> Markup:
    """What each way answered to one question.

    Args:
        question: A line of `questions.jsonl`.
        answers: Ways, each with its line of the run.
        metric: By which they are right or wrong.
    """
    accepted = question["answers"]
    wanted = ", ".join(accepted) if accepted else "the documents do not say"
    rows = [
        row(
            called(way), _verdict(answer, metric),
            "" if answer["abstained"] else _cut(answer["text"]),
            [_citation(each) for each in answer["citations"]], text=(1, 2, 3),
        )
        for way, answer in answers
    ]  # fmt: skip
    marks = [a["right"][metric] for _, a in answers if a["right"] is not None]
    right = f" ({sum(m == 1 for m in marks)} of {len(marks)} right)" if marks else ""
    caption = f"Accepted: {wanted}" if question.get("scored", True) else "No answer is given."
    head = ("Way", "", "Answer", "Where it stands")
    return element(
        "details",
        element("summary", question["text"], element("small", right)),
        table(caption, head, rows, text=(0, 1, 2, 3)),
    )


def _verdict(answer: Mapping[str, Any], metric: str) -> Child:
    said = element("small", "not answered") if answer["abstained"] else None
    if answer["right"] is None:
        return said or DASH
    mark = answer["right"][metric]
    if mark in (0, 1):
        word = ("\u2717 wrong", "\u2713 right")[int(mark)]
        return element("span", word, class_="right" if mark else "wrong"), said
    return f"{mark:.0%}", said


def _citation(citation: Mapping[str, Any]) -> Child:
    where = f"{citation['document']}, {citation['start']:,} to {citation['stop']:,}"
    doubt = None if citation["supported"] else element("small", "not found there", class_="wrong")
    quote = element("q", _cut(citation["quote"])) if citation["quote"] else None
    return element("div", quote, element("small", where), doubt)


def _cut(text: str) -> str:
    return text if len(text) <= MOST_TEXT else text[:MOST_TEXT] + " …"
