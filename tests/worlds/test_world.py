"""A world is the same everywhere, its documents state its facts, and its answers are true."""

import hashlib
import math
import re
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isoflop.errors import UsageError
from isoflop.worlds import QUESTION_KINDS, World, WorldQuestion

SMALL = World(3, people=60)
FACTS = list(SMALL.facts())
TEXTS = {document.id: document.text for document in SMALL.documents()}
QUESTIONS = list(SMALL.questions(250))


def quoted(question: WorldQuestion) -> list[str]:
    return [TEXTS[where.document][where.start : where.stop] for where in question.evidence]


def of_kind(kind: str) -> list[WorldQuestion]:
    return [question for question in QUESTIONS if question.kind == kind]


def test_the_same_seed_gives_the_same_world_everywhere() -> None:
    text = "".join(TEXTS.values()) + "".join(question.text for question in QUESTIONS)
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == "8b3978463c6f9d13"


def test_every_fact_stands_in_a_sentence_of_its_subject_s_document() -> None:
    for document in TEXTS.values():
        name = document.partition("\n")[0].removeprefix("# ")
        for fact in FACTS:
            if fact.subject == name:
                assert re.search(rf"\b{re.escape(fact.value)}\b", document)


def test_a_document_can_be_made_without_the_others() -> None:
    large = World(3, people=10**6)
    kind, index = large.place(700_000)
    assert large.facts_of(kind, index) == large.facts_of(kind, index)
    assert len({large.subject("person", n).name for n in range(0, 10**6, 997)}) == 1004


def test_the_bits_of_a_world_are_those_of_its_facts_counted_by_hand() -> None:
    towns = sum(fact.relation in ("birthplace", "residence", "headquarters") for fact in FACTS)
    assert SMALL.sizes["town"] == 12
    ours = math.fsum(
        fact.bits for fact in FACTS if fact.relation in ("birthplace", "residence", "headquarters")
    )
    assert ours == pytest.approx(towns * math.log2(12))
    assert SMALL.bits() == pytest.approx(sum(fact.bits for fact in FACTS))
    # the names: which 60 of 18,432^2 people, 12 of 884,736 towns, 15 of 147,456 firms
    names = sum(
        math.log2(math.comb(n, k)) for n, k in ((18_432**2, 60), (884_736, 12), (147_456, 15))
    )
    assert SMALL.bits(names=True) - SMALL.bits() == pytest.approx(names, rel=1e-6)


def test_values_are_drawn_with_equal_chance() -> None:
    world = World(1, people=4_000, gaps=0)
    months = Counter(f.value for f in world.facts() if f.relation == "festival")  # 800 of 12
    squares = sum((n - 800 / 12) ** 2 / (800 / 12) for n in months.values())
    assert len(months) == 12
    assert squares < 31.3  # chi-square of 11 degrees of freedom, 1 in 1000


def test_without_gaps_every_relation_of_every_subject_is_a_fact() -> None:
    world = World(5, people=20, gaps=0)
    expected = sum(len(world.relations(k)) * world.sizes[k] for k in ("person", "town", "firm"))
    assert sum(1 for _ in world.facts()) == expected


def test_questions_take_the_kinds_in_turn_and_fewer_are_the_first_of_more() -> None:
    assert [q.kind for q in QUESTIONS[:5]] == list(QUESTION_KINDS)
    assert list(SMALL.questions(7)) == QUESTIONS[:7]
    assert len({q.id for q in QUESTIONS}) == len(QUESTIONS)


def test_the_evidence_of_a_fact_or_a_chain_ends_with_its_answer() -> None:
    for question in of_kind("fact") + of_kind("two-hop"):
        sentences = quoted(question)
        assert len(sentences) == (1 if question.kind == "fact" else 2)
        assert question.answers[0] in sentences[-1]


def test_a_comparison_names_the_subject_that_the_numbers_say() -> None:
    numbers = {(f.subject, f.relation): f.value for f in FACTS}
    for question in of_kind("comparison"):
        a, b = (TEXTS[where.document].partition("\n")[0][2:] for where in question.evidence)
        relation, greater = _compared(question.text, a, b)
        ours, theirs = (int(numbers[name, relation].replace(",", "")) for name in (a, b))
        assert question.answers == ((a if (ours > theirs) == greater else b),)


def _compared(text: str, a: str, b: str) -> tuple[str, bool]:
    """By which relation a question compares, and whether it asks for the greater."""
    kind = next(fact.kind for fact in FACTS if fact.subject == a)
    return next(
        (name, greater)
        for name, relation in SMALL.relations(kind).items()
        for greater, templates in ((False, relation.less), (True, relation.more))
        for template in templates
        if template.format(a=a, b=b) == text
    )


def test_a_count_is_the_number_of_subjects_of_whom_it_is_true() -> None:
    for question in of_kind("count"):
        shared = Counter(
            value for value in {f.value for f in FACTS} if re.search(rf"\b{value}\b", question.text)
        )
        assert int(question.answers[0]) == len(question.evidence)
        assert all(any(value in sentence for value in shared) for sentence in quoted(question))


def test_nobody_knows_the_answer_of_an_unanswerable_question() -> None:
    names = {fact.subject for fact in FACTS}
    absent = [q for q in of_kind("unanswerable") if not any(name in q.text for name in names)]
    assert 10 < len(absent) < 40
    assert all(not q.answers and not q.evidence for q in of_kind("unanswerable"))


def test_statements_name_their_subject_and_say_the_value() -> None:
    said = list(SMALL.statements(3))
    assert len({text for _, text in said}) == len(said)
    assert 2.5 < len(said) / len(FACTS) <= 3
    assert all(fact.subject in text and fact.value in text for fact, text in said)


def test_every_fact_is_asked() -> None:
    asked = list(SMALL.asked())
    assert [fact for fact, _ in asked] == FACTS
    assert all(fact.subject in text and text.endswith("?") for fact, text in asked)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32), st.integers(2, 40), st.floats(0, 0.9))
def test_evidence_is_a_sentence_of_its_document(seed: int, people: int, gaps: float) -> None:
    world = World(seed, people=people, gaps=gaps, split="test")
    texts = {document.id: document.text for document in world.documents()}
    for question in world.questions(8, kinds=("fact", "unanswerable")):
        for where in question.evidence:
            sentence = texts[where.document][where.start : where.stop]
            assert sentence[0].isupper() or sentence[0].isdigit()
            assert sentence.endswith(".")
            assert "\n" not in sentence


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"people": 1}, "1 people"),
        ({"towns": 10**9}, "1,000,000,000 towns"),
        ({"gaps": 1.0}, "gaps=1.0"),
    ],
)
def test_a_world_that_cannot_be_is_refused(sizes: dict[str, int], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        World(1, **sizes)  # type: ignore[arg-type]


def test_an_unknown_kind_of_question_is_refused_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="Did you mean two-hop"):
        list(SMALL.questions(1, kinds=("twohop",)))


def test_a_world_without_gaps_or_spare_names_still_has_unanswerable_questions() -> None:
    questions = list(World(2, people=5, gaps=0).questions(20, kinds=("unanswerable",)))
    assert len(questions) == 20
