"""A question, documents, an answer: the whole way, and the bill."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from isoflop import catalog
from isoflop.bill import Bill
from isoflop.errors import UsageError, did_you_mean
from isoflop.meter import measured
from isoflop.plan.price import endpoint_bill
from isoflop.questions import Answer, Hit, Way
from isoflop.search.index import Index
from isoflop.settings import setting

if TYPE_CHECKING:
    from isoflop.search.update import Progress

SCHEMES = ("extractive", "openai:NAME")


def ask(
    question: str,
    path: str | Path | Index = ".",
    *,
    model: str | None = None,
    k: int = 8,
    by: Way | None = None,
    where: Sequence[str] = (),
    base_url: str | None = None,
    progress: "Progress | None" = None,
    on_text: Callable[[str], None] | None = None,
) -> Answer:
    """Answer a question from documents, with citations and the bill.

    Args:
        question: As a person would ask it.
        path: A folder or file, indexed when new and updated when changed; or an open index, which
            is searched as it is.
        model: "extractive" answers with the sentences that answer, without a language model and
            without leaving this machine; "openai:NAME" hands the passages to that model at
            `base_url`. The setting `model` by default.
        k: Passages to answer from.
        by: Way of ranking them; None for the best there is.
        where: Filters, as in `Index.search`.
        base_url: Address of an OpenAI-compatible server.
        progress: Told how far indexing is.
        on_text: Given a language model's answer piece by piece.

    Returns:
        The answer. Its bill is of the question; indexing is paid once and is not in it.

    Raises:
        UsageError: If the question is empty or the model is unknown.
        Missing: If packages, weights or a key are not there.
        EndpointError: If the server fails.
    """
    name = str(setting("model", model).value)
    _check_model(name)
    if isinstance(path, Index):
        index = path
    else:
        index = Index.open(path)
        index.update(progress=progress)
    found = index.find(question, k, by=by, where=where)
    if name == "extractive":
        return _extracted(question, index, found.hits, found.bill)
    return _generated(question, found.hits, found.bill, name, base_url, on_text)


def _check_model(name: str) -> None:
    scheme, _, rest = name.partition(":")
    if name != "extractive" and not (scheme == "openai" and rest):
        raise UsageError(
            f"No model called {name!r}.{did_you_mean(name, SCHEMES)}"
            f" Models are {' or '.join(SCHEMES)}."
        )


def _extracted(question: str, index: Index, hits: Sequence[Hit], searched: Bill) -> Answer:
    from isoflop.augment.extractive import answered, select

    with measured() as reading:
        selection = select(question, hits, index.encoder)
    answer = answered(selection, hits, reading)
    return replace(answer, bill=searched + answer.bill)


def _generated(
    question: str,
    hits: Sequence[Hit],
    searched: Bill,
    model: str,
    base_url: str | None,
    on_text: Callable[[str], None] | None,
) -> Answer:
    from isoflop.augment import cited
    from isoflop.lm.open import open_model

    name = model.partition(":")[2]
    address = setting("base_url", base_url).value
    with open_model(model, base_url=base_url) as endpoint:
        answer = cited.answer(question, hits, endpoint, on_text=on_text)
    return replace(answer, bill=searched + endpoint_bill(answer.bill, catalog.price(name, address)))
