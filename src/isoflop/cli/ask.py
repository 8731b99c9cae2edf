"""isoflop ask: an answer with citations and its bill."""

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import click
from click.core import ParameterSource

from isoflop.augment.ask import ask as answer_question
from isoflop.cli import options
from isoflop.cli.index import paid, tell_refusals
from isoflop.cli.output import bill_line, note, print_json, say
from isoflop.cli.search import hits_json, location
from isoflop.errors import UsageError
from isoflop.questions import Answer, Citation
from isoflop.search.index import Index


@click.command()
@click.argument("question")
@click.argument("path", default=".")
@click.option("--model", metavar="NAME", help="extractive (default) or openai:NAME.")
@click.option("--base-url", metavar="URL", help="Of an OpenAI-compatible server.")
@click.option(
    "--as",
    "advised",
    type=click.Path(path_type=Path),
    metavar="RUN",
    help="Answer as this run of isoflop compare recommends, from its documents.",
)
@click.option("-k", default=8, show_default=True, help="Passages to answer from.")
@options.way
@options.where
@options.into
@options.encoder
@options.fixed
@options.wait
@options.as_json
@click.pass_context
def ask(
    context: click.Context,
    question: str,
    path: str,
    model: str | None,
    base_url: str | None,
    advised: Path | None,
    k: int,
    by: str | None,
    where: tuple[str, ...],
    into: str | None,
    encoder: str | None,
    fixed: bool,
    wait: float,
    as_json: bool,
) -> None:
    """Answer QUESTION from the documents in PATH (default: this folder).

    The answer is made of quotes, each with its file, page or heading, and line. With --model a
    language model answers instead, and each of its citations is checked.
    """
    if not question.strip():
        raise UsageError("The question is empty. Ask with at least one word.")
    if advised is not None:
        _refuse_what_is_decided(context)
        current = partial(options.current, fixed=fixed, wait=wait)
        _as_advised(question, advised, base_url, current, as_json=as_json)
        return
    index = Index.open(path, into=into, encoder=encoder)
    update = options.current(index, fixed=fixed, wait=wait)
    streamed = sys.stdout.isatty() and not as_json
    answer = answer_question(
        question,
        index,
        model=model,
        k=k,
        by=options.known_way(by),
        where=where,
        base_url=base_url,
        on_text=(lambda text: say(text, nl=False)) if streamed else None,
    )
    if as_json:
        print_json(answer_json(answer))
    else:
        if streamed and answer.bill.output_tokens != 0:
            say("\n")
        show(answer)
        if not answer.hits:
            options.tell_of_nothing(index)
    if update is not None and update.embedded:
        tell_refusals(update.refused)
        note(f"indexing, paid once: {paid(update)}")
    note(f"bill: {bill_line(answer.bill)}")


def _refuse_what_is_decided(context: click.Context) -> None:
    """Refuse options beside --as that the run decides: to leave them unheeded would be silent.

    Raises:
        UsageError: If there are any; the message names them.
    """
    names = {
        "path": "PATH", "model": "--model", "k": "-k", "by": "--by", "where": "--where",
        "into": "--into", "encoder": "--encoder",
    }  # fmt: skip
    usual = (ParameterSource.DEFAULT, ParameterSource.DEFAULT_MAP)
    given = [
        shown for name, shown in names.items() if context.get_parameter_source(name) not in usual
    ]
    if given:
        raise UsageError(
            f"--as answers as its run recommends, from the run's documents: leave out "
            f"{', '.join(given)}, or leave out --as."
        )


def _as_advised(
    question: str,
    run: Path,
    base_url: str | None,
    update: Callable[[Index], object],
    *,
    as_json: bool,
) -> None:
    """Answer with what a comparison recommended, settings and all."""
    from isoflop.measure.comparison.advised import Advised

    way = Advised(run, base_url=base_url, update=update)
    answer = way.answer(question)
    if as_json:
        print_json({"way": way.way.name, **answer_json(answer)})
    else:
        show(answer)
        note(f"as {way.way.name}")
    note(f"bill: {bill_line(answer.bill)}")


def show(answer: Answer) -> None:
    """The answer and where it stands; a row of a table with the names of its columns."""
    from isoflop.augment.quotable import columns

    if answer.abstained:
        say(answer.text)
        if answer.hits:
            nearest = answer.hits[0].passage
            say(
                "Nearest: "
                + location(nearest.document, nearest.page, nearest.heading, nearest.line)
            )
        return
    quoted = answer.text == "\n".join(citation.quote for citation in answer.citations)
    if not quoted:
        say(answer.text + "\n")
    for number, citation in enumerate(answer.citations, start=1):
        if quoted:
            say(f'[{number}] "{_one_line(citation.quote)}"')
            if names := columns(citation):
                say(f"    columns: {names}")
            say(f"    {place(citation)}")
        else:
            say(_checked(answer, citation))


def _checked(answer: Answer, citation: Citation) -> str:
    """A citation by a language model, numbered as the model numbers the passages."""
    passages = [hit.passage for hit in answer.hits]
    if citation.passage not in passages:
        return "[?] no such passage  (unsupported)"
    number = passages.index(citation.passage) + 1
    return f"[{number}] {place(citation)}{'' if citation.supported else '  (unsupported)'}"


def place(citation: Citation) -> str:
    """Where a quote stands: document, page or heading, line."""
    passage = citation.passage
    line = passage.line_of(citation.start)
    return location(passage.document, passage.page, passage.heading_of(citation.start), line)


def answer_json(answer: Answer) -> dict[str, object]:
    """An answer for JSON."""
    from isoflop.augment.quotable import columns

    return {
        "text": answer.text,
        "abstained": answer.abstained,
        "citations": [
            {
                "document": citation.passage.document,
                "page": citation.passage.page,
                "heading": citation.passage.heading_of(citation.start) or None,
                "line": citation.passage.line_of(citation.start),
                "start": citation.start,
                "stop": citation.stop,
                "quote": citation.quote,
                "columns": columns(citation) or None,
                "supported": citation.supported,
            }
            for citation in answer.citations
        ],
        "hits": hits_json(answer.hits),
        "bill": answer.bill.as_dict(),
    }


def _one_line(text: str) -> str:
    return " ".join(text.split())
