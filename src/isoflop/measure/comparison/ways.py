"""Ways: every method with every model, as far as they go together."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache

from isoflop import plugins
from isoflop.augment.answerer import Answerer, Told, open_answerer
from isoflop.augment.method import METHODS, CannotUse, Material, Method, method_class
from isoflop.augment.methods.abstaining import break_even
from isoflop.documents import Passage
from isoflop.measure.comparison import questions as asking
from isoflop.measure.comparison.trials import timed_here, writing_here
from isoflop.questions import Question


@dataclass(frozen=True, slots=True)
class Way:
    """A method with a model.

    Attributes:
        name: "retrieval isoflop:reading": the method, then the model.
        method: Its name.
        model: Its name.
        does: What forecasts, prepares and answers.
        at_once: Questions that may be under way at the same time: more than one at a server.
    """

    name: str
    method: str
    model: str
    does: Method
    at_once: int = 1


@dataclass(frozen=True, slots=True)
class Left:
    """A method and a model that do not go together, and why."""

    name: str
    method: str
    model: str
    reason: str


def ways_of(
    models: Sequence[str],
    methods: Sequence[str],
    material: Material,
    *,
    base_url: str | None = None,
    at_once: int = 4,
    told: Told = Told(),  # noqa: B008 - frozen
    ready: Callable[[Answerer], Answerer] = timed_here,
) -> tuple[list[Way], list[Left]]:
    """Every method with every model.

    Args:
        models: Names; none twice.
        methods: Names; all there are when empty.
        material: That all methods work with; its folder is the run's, in which each way keeps what
            it prepares in a folder of its own. Where a wrong answer loses something, an answerer
            that knows how sure it is does not answer where it expects to lose.
        base_url: Of an OpenAI-compatible server.
        at_once: Questions under way at a server.
        told: What the user says of the model on a server.
        ready: Gives an answerer its speed; that of a model in this process is tried.

    Raises:
        UsageError: If a method or a model is unknown.
        Missing: If a model needs what is not there.
    """
    classes = {name: method_class(name) for name in methods or plugins.names("method", METHODS)}
    encoder = material.index.encoder
    ways: list[Way] = []
    left: list[Left] = []
    for model in dict.fromkeys(models):
        about = told if model.startswith("openai:") else Told()
        opened = ready(open_answerer(model, base_url=base_url, encoder=encoder, told=about))
        wary = _wary(opened, material.wrong)
        answerer = writing_here(wary, material.tuning, material.index)
        served = hasattr(answerer, "price")
        for method, made in classes.items():
            name = f"{method} {model}"
            own = replace(material, folder=material.folder / "prepared" / _plain(name))
            try:
                does = made(answerer, own)
            except CannotUse as reason:
                left.append(Left(name, method, model, str(reason)))
                continue
            ways.append(Way(name, method, model, does, at_once if served else 1))
    return ways, left


def _wary(answerer: Answerer, wrong: float) -> Answerer:
    """With a threshold of confidence under which an answer would lose more than it gains."""
    usual: float | None = getattr(answerer, "threshold", None)
    if usual is None:
        return answerer
    wary: Answerer = replace(answerer, threshold=max(usual, break_even(wrong)))  # type: ignore[type-var]  # a dataclass
    return wary


def learnable(
    passages: Sequence[Passage], learned: Sequence[Question], measured: Sequence[Question]
) -> Callable[[int], Sequence[Question]]:
    """What makes the questions that fine-tuning learns: those given, or as many as can be made.

    None of them is word for word one that is measured: to have it learned by heart shows nothing.
    They are made once for all ways: of a large corpus that takes longer than a question.

    Args:
        passages: To make questions from, where none are given.
        learned: Given, with answers.
        measured: That must not be learned.
    """
    kept_apart = {question.text for question in measured}

    @cache
    def made(count: int) -> Sequence[Question]:
        given = tuple(q for q in learned if q.text not in kept_apart)
        found = given or asking.make(passages, count, seed=1).questions
        return tuple(q for q in found if q.text not in kept_apart)[:count]

    return made


def _plain(name: str) -> str:
    """A name for a folder."""
    return "".join(c if c.isalnum() or c in "-." else "-" for c in name)
