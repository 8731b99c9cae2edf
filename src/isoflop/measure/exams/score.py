"""An exam's score: decisions, policies for what was not understood, baselines and intervals."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from isoflop.errors import UnusableExam, UsageError
from isoflop.measure.exams import rules
from isoflop.measure.exams.exam import LETTERS, YES_NO, Contrast, Exam, is_yes_no
from isoflop.measure.exams.join import Joined, join
from isoflop.measure.exams.outputs import Output, Recording
from isoflop.measure.statistics import baselines, clustered
from isoflop.measure.statistics.clustered import Mean
from isoflop.questions import Question

Named = Literal["wrong", "no", "chance", "omit"]
Policy = Named | float  # a number is the credit itself
POLICIES: tuple[Named, ...] = get_args(Named)


@dataclass(frozen=True, slots=True)
class Graded:
    """One question with what was answered.

    Attributes:
        question: As asked; for pair contrasts the claim.
        answers: What each output answered; None where the rule found no answer.
        credit: Mean over the outputs, 1 for right and 0 for wrong; None when left out.
    """

    question: Question
    answers: tuple[str | None, ...]
    credit: float | None


@dataclass(frozen=True, slots=True)
class Baselines:
    """Accuracies without reading the questions, over the questions that were scored.

    Attributes:
        majority: The best constant answer and its accuracy.
        first_option: Of always giving the first choice; of a claim asked both ways, of always
            naming the first variable as the cause. None for free answers.
        chance: Of drawing a choice; None for free answers.
    """

    majority: tuple[str, float]
    first_option: float | None
    chance: float | None


@dataclass(frozen=True, slots=True)
class Score:
    """What one recording scores in one exam.

    Attributes:
        exam: Name of the exam.
        model: Name of the recording.
        rule: How answers were decided.
        policy: What became of outputs without an answer.
        graded: Question by question, in the order of the exam.
        joined: How the recording was joined.
        unparsed: Outputs in which the rule found no answer.
        accuracy: Share that is right, with Wilson's interval at the effective sample size.
        weighted: The same with the weights of the questions; None when they are equal.
        baselines: Unweighted.
        weighted_baselines: None when weights are equal.
        claims: By id of a question, the claim that it asks in one direction.
    """

    exam: str
    model: str
    rule: str
    policy: Policy
    graded: tuple[Graded, ...]
    joined: Joined
    unparsed: int
    accuracy: Mean
    weighted: Mean | None
    baselines: Baselines
    weighted_baselines: Baselines | None
    claims: Mapping[str, str]

    @property
    def scored(self) -> tuple[Graded, ...]:
        """Those that count."""
        return tuple(one for one in self.graded if one.credit is not None)


def score(
    exam: Exam,
    recording: Recording,
    *,
    rule: str | None = None,
    policy: Policy = "wrong",
    partial: bool = False,
    any_id: bool = False,
) -> Score:
    """Score a recording.

    Args:
        exam: Questions with keys.
        recording: Outputs, joined by their prompts.
        rule: One of `rules.RULES`; the exam's own when None.
        policy: Outputs without an answer count as "wrong", as the answer "no", as "chance" (one
            over the number of choices), as a credit from 0 to 1, or are left out ("omit").
        partial: Score what matches when some prompts do not.
        any_id: Join by the prompts alone, whatever the ids say.

    Raises:
        UnusableExam: If the recording belongs to another exam, or nothing can be scored.
        UsageError: If there is no such rule, or policy and exam do not fit.
    """
    rule = rules.known(rule or exam.rule)
    if isinstance(policy, float) and not 0 <= policy <= 1:
        raise UsageError(f"A credit of {policy:g} is not from 0 to 1.")
    joined = join(exam, recording.outputs, partial=partial, any_id=any_id)
    contrasted = rule == rules.CONTRAST
    graded = _contrasted(exam, joined, policy) if contrasted else _decided(joined, rule, policy)
    unparsed = sum(answer is None for one in graded for answer in one.answers)
    counted = [one for one in graded if one.credit is not None]
    if not counted:
        raise UnusableExam(f"{recording.model}: the rule {rule!r} finds no answer in any output.")
    questions = [one.question for one in counted]
    credits = [one.credit or 0.0 for one in counted]
    claims = {id: c.id for c in exam.contrasts for id in (c.forward, c.backward)}
    clusters = clusters_of(claims, questions)
    weights = [question.weight for question in questions]
    weighted = len(set(weights)) > 1 and sum(weights) > 0
    first = () if contrasted else exam.contrasts
    return Score(
        exam=exam.name,
        model=recording.model,
        rule=rule,
        policy=policy,
        graded=tuple(graded),
        joined=joined,
        unparsed=unparsed,
        accuracy=_mean(credits, clusters, None),
        weighted=_mean(credits, clusters, weights) if weighted else None,
        baselines=_baselines(questions, first, None),
        weighted_baselines=_baselines(questions, first, weights) if weighted else None,
        claims=claims,
    )


def _decided(joined: Joined, rule: str, policy: Policy) -> list[Graded]:
    graded = []
    for question, outputs in joined.answers:
        answers = tuple(rules.answer(question, output, rule) for output in outputs)
        graded.append(Graded(question, answers, _credit(question, answers, policy, rule)))
    return graded


def _contrasted(exam: Exam, joined: Joined, policy: Policy) -> list[Graded]:
    """Claims decided by which of the two directions is affirmed with the greater margin."""
    if not exam.contrasts:
        raise UsageError(
            f"The rule {rules.CONTRAST!r} compares a question asked in both directions, and "
            f"{exam.name} asks none so."
        )
    outputs = {question.id: outs for question, outs in joined.answers}
    graded = []
    for contrast in exam.contrasts:
        if contrast.forward in outputs and contrast.backward in outputs:
            question = claim(exam, contrast)
            answer = _direction(outputs[contrast.forward][0], outputs[contrast.backward][0])
            graded.append(Graded(question, (answer,), _credit(question, (answer,), policy)))
    return graded


def claim(exam: Exam, contrast: Contrast) -> Question:
    """A claim asked both ways, as one question: which of the two is the cause?"""
    forward = exam.by_id[contrast.forward]
    answer = "A" if forward.answers == ("yes",) else "B"
    choices = ("the first", "the second")
    return Question(contrast.id, forward.text, choices, (answer,), forward.cluster, forward.weight)


def _direction(forward: Output, backward: Output) -> str | None:
    """The first, the second, or None when neither direction is affirmed more than the other."""
    one, other = rules.margin(forward), rules.margin(backward)
    if one is None or other is None or one == other:
        return None
    return "A" if one > other else "B"


def _credit(
    question: Question, answers: Sequence[str | None], policy: Policy, rule: str = ""
) -> float | None:
    credits = [_of_one(question, answer, policy, rule) for answer in answers]
    counted = [credit for credit in credits if credit is not None]
    return sum(counted) / len(counted) if counted else None


def _of_one(question: Question, answer: str | None, policy: Policy, rule: str) -> float | None:
    if answer is not None and rule in rules.CREDITS:
        return rules.CREDITS[rule](answer, question.answers)
    if answer is not None:
        return float(answer in question.answers)
    if isinstance(policy, float):
        return policy
    if policy == "wrong":
        return 0.0
    if policy == "omit":
        return None
    if policy == "no":
        if not is_yes_no(question):
            raise UsageError("The policy 'no' is for yes/no questions.")
        return float("no" in question.answers)
    options = _options(question)
    if not options:
        raise UsageError("The policy 'chance' is for questions with choices.")
    return len(question.answers) / len(options)


def _options(question: Question) -> tuple[str, ...]:
    """What may be answered; empty for free answers."""
    if question.choices:
        return tuple(LETTERS[: len(question.choices)])
    return YES_NO if is_yes_no(question) else ()


def clusters_of(claims: Mapping[str, str], questions: Sequence[Question]) -> list[str] | None:
    """What each question shares: its cluster, or the claim it asks one way; None when nothing."""
    names = [q.cluster or claims.get(q.id, q.id) for q in questions]
    return names if 1 < len(set(names)) < len(names) else None


def _mean(
    credits: Sequence[float], clusters: list[str] | None, weights: list[float] | None
) -> Mean:
    if set(credits) <= {0.0, 1.0}:
        return clustered.accuracy(credits, clusters=clusters, weights=weights)
    return clustered.mean(credits, clusters=clusters, weights=weights)


def _baselines(
    questions: Sequence[Question], contrasts: Sequence[Contrast], weights: list[float] | None
) -> Baselines:
    accepted = [question.answers for question in questions]
    choices = [_options(question) for question in questions]
    closed = all(choices)
    first = baselines.first_option(accepted, choices, weights) if closed else None
    if contrasts:
        first = _always_first(questions, contrasts, weights)
    return Baselines(
        majority=baselines.majority(accepted, weights),
        first_option=first,
        chance=baselines.chance(accepted, choices, weights) if closed else None,
    )


def _always_first(
    questions: Sequence[Question], contrasts: Sequence[Contrast], weights: list[float] | None
) -> float:
    """Accuracy of always naming the first variable: yes forward and no backward."""
    forward = {contrast.forward for contrast in contrasts}
    shares = weights or [1.0] * len(questions)
    right = (("yes" if q.id in forward else "no") in q.answers for q in questions)
    return sum(w for w, is_right in zip(shares, right, strict=True) if is_right) / sum(shares)
