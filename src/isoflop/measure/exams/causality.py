"""The built-in exam: which of two measured variables is the cause.

The facts (variables, direction, source, weight) of the 108 Tuebingen cause-effect pairs, asked in
our own words in the two forms in which they were asked of language models: a yes/no question in
both directions, and a choice of two with reasoning. Prompts by others are keyed by what they name:
one belongs to a pair only if its statement has that pair's two variables as cause and effect.

Source:
    Mooij et al. 2016, JMLR 17(32), pairs and weights of 2017; the variables as named by
    amit-sharma/chatgpt-causality-pairs results.txt (MIT). Settings are described by us.
"""

import csv
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Literal

from isoflop.errors import UnusableExam
from isoflop.measure.exams import fields
from isoflop.measure.exams.exam import Exam, contrasts_of
from isoflop.measure.exams.options import Options, options_in
from isoflop.measure.exams.rows import rows
from isoflop.questions import Question

Form = Literal["yes-no", "choice"]
FORMS: tuple[Form, ...] = ("yes-no", "choice")
LICENCE = "facts; their wording Apache-2.0"
SOURCE = "Mooij et al. 2016, JMLR 17(32): Tuebingen cause-effect pairs"

_PAIR_ID = re.compile(r"pair_?(\d{1,4})(?!\d)")
_WORD = re.compile(r"[a-z0-9](?:[a-z0-9+/'-]*[a-z0-9+])?")
_CAUSES = re.compile(r"\bcauses?\b", re.IGNORECASE)

Named = tuple[tuple[tuple[str, ...], ...], ...]  # all of these; each one of some; each some words


@dataclass(frozen=True, slots=True)
class Pair:
    """Two variables of one setting, and which of them is the cause.

    Attributes:
        id: "pair0001" to "pair0108".
        first: The variable named first in the published data.
        second: The other.
        first_causes: Whether the first is the cause.
        weight: Recommended by the publishers, so that pairs from one source count about as one.
        source: The data set that the pair was taken from.
        setting: Whose variables they are.
        first_words: Words by which a prompt names the first.
        second_words: Words by which a prompt names the second.
    """

    id: str
    first: str
    second: str
    first_causes: bool
    weight: float
    source: str
    setting: str
    first_words: Named
    second_words: Named


@cache
def pairs() -> dict[str, Pair]:
    """The 108 pairs by id."""
    with (files("isoflop.measure.exams") / "causality.csv").open(encoding="utf-8") as lines:
        return {row["pair"]: _pair(row) for row in csv.DictReader(lines)}


def exam(form: Form = "yes-no") -> Exam:
    """The exam in our own words.

    Args:
        form: "yes-no" asks 216 questions, each pair in both directions; "choice" asks 108.
    """
    asked = _yes_no if form == "yes-no" else _choice
    questions = tuple(question for pair in pairs().values() for question in asked(pair))
    return _exam(questions)


def keyed(prompts: Iterable[tuple[str, str]]) -> Exam:
    """The exam in the words of others: prompts that name a pair, with the answer they ask for.

    Args:
        prompts: Published id and text of each; the id may be empty.

    Raises:
        UnusableExam: If no prompt names the variables of a pair.
    """
    found: dict[str, Question] = {}
    tried = 0
    for id, prompt in prompts:
        tried += 1
        question = _question(id, prompt)
        if question is not None and question.id not in found:
            found[question.id] = question
    if not found:
        raise UnusableExam(
            f"0 of {tried:,} prompts name the two variables of a Tuebingen pair as cause and "
            "effect, so none of these answers belongs to this exam."
        )
    return _exam(tuple(found.values()))


def prompts_in(path: Path) -> list[tuple[str, str]]:
    """Ids and prompts of a published file: a table, JSON lines, or lines `pair0001, prompt`.

    Raises:
        UnusableExam: If the file cannot be read.
    """
    if path.suffix == ".txt":
        lines = path.read_text(encoding="utf-8").splitlines()
        asked = (line.partition(",") for line in lines if line.strip())
        return [(id, prompt.strip()) for id, _, prompt in asked]
    return [(fields.identifier(row), fields.prompt(row)) for row in rows(path)]


def _exam(questions: tuple[Question, ...]) -> Exam:
    rule = "letter" if questions[0].choices else "yes-no"
    return Exam("causality", questions, rule, LICENCE, SOURCE, contrasts_of(questions))


def _yes_no(pair: Pair) -> Iterable[Question]:
    for way, cause, effect in (
        ("forward", pair.first, pair.second),
        ("backward", pair.second, pair.first),
    ):
        text = (
            f"Consider {pair.setting}. Suppose the {cause} were different and nothing else were "
            f"touched. Would that cause the {effect} to be different as well? "
            "Answer with one word, yes or no."
        )
        answer = "yes" if (way == "forward") == pair.first_causes else "no"
        yield Question(f"{pair.id}/{way}", text, (), (answer,), pair.source, pair.weight)


def _choice(pair: Pair) -> Iterable[Question]:
    choices = (
        f"Differences in the {pair.first} would cause the {pair.second} to be different.",
        f"Differences in the {pair.second} would cause the {pair.first} to be different.",
    )
    text = (
        f"Consider {pair.setting}. Which of the two statements is closer to the truth?\n"
        f"A. {choices[0]}\nB. {choices[1]}\n\n"
        "Reason step by step about what would happen if one of the two were set from outside. "
        "Then end with the letter of your answer, as <Answer>A</Answer> or <Answer>B</Answer>."
    )
    answer = "A" if pair.first_causes else "B"
    yield Question(pair.id, text, choices, (answer,), pair.source, pair.weight)


def _question(id: str, prompt: str) -> Question | None:
    """A prompt by others with the answer to it; None when it names no pair."""
    options = options_in(prompt)
    if options:
        return _asked_as_choice(id, prompt, options)
    named = _named(id, prompt.partition("?")[0])
    if named is None:
        return None
    pair, first_is_cause = named
    way = "forward" if first_is_cause else "backward"
    answer = "yes" if first_is_cause == pair.first_causes else "no"
    return Question(f"{pair.id}/{way}", prompt, (), (answer,), pair.source, pair.weight)


def _asked_as_choice(id: str, prompt: str, options: Options) -> Question | None:
    """One option must say one direction, another the other."""
    named = [_named(id, option) for option in options.texts]
    pair = next((found[0] for found in named if found), None)
    if pair is None:
        return None
    says = [found[1] if found and found[0] == pair else None for found in named]
    if sorted(way for way in says if way is not None) != [False, True]:
        return None
    answer = options.letters[says.index(pair.first_causes)]
    return Question(pair.id, prompt, options.texts, (answer,), pair.source, pair.weight)


def _named(id: str, statement: str) -> tuple[Pair, bool] | None:
    """The pair whose variables a statement has as cause and effect; whether the first causes.

    The published id chooses among pairs when there is one; otherwise the pair most of whose words
    occur, if there is just one.
    """
    cause, verb, effect = _split(statement)
    if not verb:
        return None
    given = _PAIR_ID.search(id)
    candidates = [pairs().get(f"pair{int(given[1]):04}")] if given else list(pairs().values())
    found: list[tuple[int, Pair, bool]] = []
    for pair in candidates:
        if pair is None:
            continue
        forward = _says(pair.first_words, cause) and _says(pair.second_words, effect)
        backward = _says(pair.second_words, cause) and _says(pair.first_words, effect)
        if forward != backward:
            found.append((len(pair.first_words) + len(pair.second_words), pair, forward))
    most = max((words for words, _, _ in found), default=0)
    best = [(pair, forward) for words, pair, forward in found if words == most]
    return best[0] if len(best) == 1 else None


def _split(statement: str) -> tuple[frozenset[str], bool, frozenset[str]]:
    """The words before and after the verb, and whether there is one."""
    verb = _CAUSES.search(statement)
    if verb is None:
        return frozenset(), False, frozenset()
    return _words(statement[: verb.start()]), True, _words(statement[verb.end() :])


def _words(text: str) -> frozenset[str]:
    return frozenset(_WORD.findall(text.lower()))


def _says(named: Named, words: frozenset[str]) -> bool:
    return all(any(words.issuperset(one) for one in some) for some in named)


def _pair(row: dict[str, str]) -> Pair:
    return Pair(
        id=row["pair"],
        first=row["first"],
        second=row["second"],
        first_causes=row["cause"] == "first",
        weight=float(row["weight"]),
        source=row["source"],
        setting=row["setting"],
        first_words=_spelled(row["first_words"]),
        second_words=_spelled(row["second_words"]),
    )


def _spelled(words: str) -> Named:
    """`horse+power/horsepower` is one of two spellings, the first of two words."""
    return tuple(
        tuple(
            tuple(spelling.split("+")) if "t+1" not in spelling else (spelling,)
            for spelling in word.split("/")
        )
        for word in words.split()
    )
