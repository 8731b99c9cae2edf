"""What an exam is: questions with accepted answers, and where they come from."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from isoflop.errors import UnusableExam
from isoflop.questions import Question

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
YES_NO = ("yes", "no")


@dataclass(frozen=True, slots=True)
class Contrast:
    """One claim asked in both directions: exactly one of two yes/no questions is answered yes.

    Attributes:
        id: Of the claim.
        forward: Id of the question that names the first variable as the cause.
        backward: Id of the question that names the second.
    """

    id: str
    forward: str
    backward: str


@dataclass(frozen=True, slots=True, eq=False)  # one is itself: comparing questions takes long
class Exam:
    """Questions that can be scored; what cannot is refused when it is built.

    A question with choices is answered by letters: "A" is its first choice, "AC" its first and
    third together. Several accepted answers are alternatives.

    Attributes:
        name: As the user names it.
        questions: In the order of their source; ids are unique.
        rule: How an answer is decided unless the user says otherwise (`rules.RULES`).
        licence: Of the texts; empty when the source does not say.
        source: Where the questions come from; empty when unknown.
        contrasts: Claims that are asked in both directions.
        as_published: Keep keys that contradict each other, because others scored with them.

    Raises:
        UnusableExam: If there are no questions, no answers, duplicated ids, keys that contradict
            each other, or keys that name no choice.
    """

    name: str
    questions: tuple[Question, ...]
    rule: str
    licence: str = ""
    source: str = ""
    contrasts: tuple[Contrast, ...] = ()
    as_published: bool = False
    by_id: Mapping[str, Question] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.questions:
            raise UnusableExam(f"{self.name} has no questions.")
        _refuse_repeated_ids(self.name, self.questions)
        _refuse_without_answers(self.name, self.questions)
        _refuse_keys_without_choice(self.name, self.questions)
        if not self.as_published:
            _refuse_contradictions(self.name, self.questions)
        object.__setattr__(self, "by_id", {q.id: q for q in self.questions})


def contrasts_of(questions: Sequence[Question]) -> tuple[Contrast, ...]:
    """Claims asked in both directions, if the whole exam is made of them.

    They are recognised by ids `claim/forward` and `claim/backward`.
    """
    ids = {question.id for question in questions}
    claims = [id.removesuffix("/forward") for id in ids if id.endswith("/forward")]
    paired = {f"{claim}/{way}" for claim in claims for way in ("forward", "backward")}
    if not claims or paired != ids:
        return ()
    ordered = (q.id.removesuffix("/forward") for q in questions if q.id.endswith("/forward"))
    return tuple(Contrast(claim, f"{claim}/forward", f"{claim}/backward") for claim in ordered)


def is_yes_no(question: Question) -> bool:
    """Whether the accepted answers are yes or no, and no choices are listed."""
    return not question.choices and bool(question.answers) and set(question.answers) <= set(YES_NO)


def _refuse_repeated_ids(name: str, questions: Iterable[Question]) -> None:
    repeated = [id for id, n in Counter(q.id for q in questions).items() if n > 1]
    if repeated:
        raise UnusableExam(
            f"{name}: {len(repeated)} ids are given to more than one question, such as "
            f"{repeated[0]!r}. Give every question an id of its own; --as-published "
            "numbers them."
        )


def _refuse_without_answers(name: str, questions: Sequence[Question]) -> None:
    without = [q.id for q in questions if not q.answers]
    if without:
        raise UnusableExam(
            f"{name}: {len(without)} of {len(questions)} questions have no accepted answer, such "
            f"as {without[0]!r}. An exam without answers cannot be scored; add a column 'answers' "
            "or name the file that holds them with --answers."
        )


def _refuse_keys_without_choice(name: str, questions: Iterable[Question]) -> None:
    for question in questions:
        allowed = set(LETTERS[: len(question.choices)])
        for answer in question.answers if question.choices else ():
            if not answer or not set(answer) <= allowed:
                raise UnusableExam(
                    f"{name}, question {question.id!r}: the answer {answer!r} is none of its "
                    f"{len(question.choices)} choices. Write a letter or a choice's exact text."
                )


def _refuse_contradictions(name: str, questions: Iterable[Question]) -> None:
    """Of free answers two may be right, such as a shorter and a longer span of one passage."""
    keys: dict[tuple[str, tuple[str, ...]], list[Question]] = defaultdict(list)
    for question in questions:
        if question.choices or is_yes_no(question):
            keys[question.text, question.choices].append(question)
    for same in keys.values():
        if len(same) > 1 and len({frozenset(question.answers) for question in same}) > 1:
            raise UnusableExam(
                f"{name}: questions {same[0].id!r} and {same[1].id!r} ask the same and have "
                f"different answers ({', '.join(same[0].answers)} and "
                f"{', '.join(same[1].answers)}). Remove one, or keep both with --as-published."
            )
