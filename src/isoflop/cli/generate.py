"""isoflop generate: what a model writes after a prompt, with the bill."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from isoflop.bill import Bill, total
from isoflop.cli import options
from isoflop.cli.output import bill_line, note, print_json, say
from isoflop.errors import UsageError
from isoflop.lm.model import Message
from isoflop.lm.open import PROSE, open_model

if TYPE_CHECKING:
    from isoflop.lm.causal import CausalModel
    from isoflop.lm.generate import Request
    from isoflop.lm.model import Generated, Scored

Prompt = str | list[Message]


@click.command()
@click.argument("prompt", required=False)
@click.option(
    "--model",
    "name",
    default=PROSE,
    show_default=True,
    metavar="NAME",
    help="isoflop:PATH or hf:PATH-or-repo.",
)
@click.option("--adapter", metavar="DIR", help="That 'isoflop finetune --lora' or PEFT wrote.")
@click.option(
    "--prompts",
    metavar="FILE",
    help='Several at once, a JSON line each: "text", {"prompt": ...} or {"messages": [...]}; '
    "- for stdin.",
)
@click.option("--chat", is_flag=True, help="PROMPT is a user's turn: apply the chat template.")
@click.option("--system", metavar="TEXT", help="A system message before it; implies --chat.")
@click.option(
    "--tokens",
    "most",
    type=click.IntRange(min=1),
    default=200,
    show_default=True,
    help="Most tokens to write.",
)
@click.option(
    "--temperature",
    type=float,
    default=0.0,
    show_default=True,
    help="0 for the most likely text, 1 to draw as the model says.",
)
@click.option("--top-k", type=int, default=0, help="Draw from so many most likely tokens.")
@click.option("--top-p", type=float, default=1.0, help="... from those with this probability.")
@click.option("--min-p", type=float, default=0.0, help="... at least this fraction of the best's.")
@click.option(
    "--repetition-penalty", type=float, default=1.0, help="Divides logits of tokens seen before."
)
@click.option("--presence-penalty", type=float, default=0.0, help="Off tokens written before.")
@click.option("--frequency-penalty", type=float, default=0.0, help="... for each time.")
@click.option("--seed", type=int, default=0, show_default=True, help="Prompt i draws with seed+i.")
@click.option("--stop", multiple=True, metavar="TEXT", help="Stop before this text; repeatable.")
@click.option("--json-schema", metavar="FILE", help="Write JSON that this schema allows.")
@click.option("--regex", metavar="EXPRESSION", help="Write text that this matches as a whole.")
@click.option(
    "--log-probabilities",
    "alternatives",
    type=click.IntRange(min=0),
    metavar="N",
    help="Of each token of prompt and output, with N alternatives; needs --json or --prompts.",
)
@click.option("--ignore-end", is_flag=True, help="Write on where the model would end.")
@options.as_json
def generate(
    prompt: str | None,
    name: str,
    adapter: str | None,
    prompts: str | None,
    chat: bool,
    system: str | None,
    most: int,
    stop: tuple[str, ...],
    json_schema: str | None,
    regex: str | None,
    alternatives: int | None,
    ignore_end: bool,
    as_json: bool,
    **sampling: Any,
) -> None:
    """Continue PROMPT (- for stdin) with a language model of your own or anyone's.

    The text is written to stdout as it comes, the bill to stderr.
    """  # fmt: skip
    from isoflop.lm.generate import Request
    from isoflop.lm.sample import Sampling

    asked = _prompts(prompt, prompts, system, chat=chat or system is not None)
    if alternatives is not None and not (as_json or prompts):
        raise UsageError("Log-probabilities do not fit in running text. Add --json.")
    draws = Sampling(**sampling)
    model: CausalModel = open_model(name, needs=["logits"])
    if adapter is not None:
        from isoflop.lm.adapted import with_adapter

        model = with_adapter(model, adapter)
    constraint = _constraint(model, json_schema, regex)
    request = Request(most, draws, stop, constraint, alternatives, ignore_end)
    streamed = not as_json and prompts is None
    answers, bill = _written(model, asked, request, streamed=streamed)
    before = None
    if alternatives is not None:
        before = [_prompt_scored(model, each, alternatives) for each in asked]
        bill = total([bill, *(scored.bill for scored in before if scored is not None)])
    rows = [_row(*each) for each in zip(asked, answers, before or [None] * len(asked), strict=True)]
    if as_json:
        print_json({"model": model.name, "generated": rows, "bill": bill.as_dict()})
    elif streamed:
        say("")
    else:
        for row in rows:
            click.echo(json.dumps(row, ensure_ascii=False))
    if any(each.finish_reason == "length" for each in answers) and (json_schema or regex):
        note(f"Cut off after {most} tokens, so the text is not whole. Allow more with --tokens.")
    note(f"bill: {bill_line(bill)}")


def _written(
    model: "CausalModel", asked: list[Prompt], request: "Request", *, streamed: bool
) -> tuple[list["Generated"], Bill]:
    """What the model writes after each prompt, and what it takes all together."""
    from isoflop.lm.generate import generate as write
    from isoflop.lm.generate import work
    from isoflop.lm.local import prompt_ids
    from isoflop.meter import measured

    ids = [
        prompt_ids(model, each) if isinstance(each, str) else model.encode_messages(each)
        for each in asked
    ]
    with measured() as reading:
        answers = write(
            model, ids, request, (lambda _, text: say(text, nl=False)) if streamed else None
        )
    bill = Bill.measured(
        prompt_tokens=sum(map(len, ids)),
        cached_tokens=0,
        output_tokens=sum(each.output_tokens or 0 for each in answers),
        flops=work(model, answers),
        seconds=reading.seconds,
        joules=reading.joules,
        dollars=None,
        grams_co2e=None,
    )
    return answers, bill


def _constraint(model: "CausalModel", schema: str | None, expression: str | None) -> Any:
    """The grammar that the output follows, if any."""
    if schema is None and expression is None:
        return None
    if schema is not None and expression is not None:
        raise UsageError("Give --json-schema or --regex, not both.")
    from isoflop.lm.constrained import Constraint, tokenizer_of

    tokenizer = tokenizer_of(model)
    if expression is not None:
        return Constraint.of_expression(expression, tokenizer)
    return Constraint.of_schema(_read(str(schema)), tokenizer)


def _prompts(
    prompt: str | None, file: str | None, system: str | None, *, chat: bool
) -> list[Prompt]:
    """What was asked: one prompt, or one of each line of a file."""
    if (prompt is None) == (file is None):
        raise UsageError("Give a PROMPT (- for stdin), or --prompts FILE.")
    before = [Message("system", system)] if system is not None else []
    texts: list[Any] = []
    if file is not None:
        for number, line in enumerate(_read(file).splitlines(), start=1):
            if line.strip():
                texts.append(_line(line, f"{file}, line {number}"))
    else:
        texts.append(sys.stdin.read() if prompt == "-" else prompt)
    if not texts:
        raise UsageError(f"{file} has no prompts. Write a JSON line for each.")
    return [
        [*before, Message("user", text)] if chat and isinstance(text, str) else text
        for text in texts
    ]


def _line(line: str, where: str) -> Prompt:
    """A prompt from one line of JSON."""
    try:
        said = json.loads(line)
    except ValueError as error:
        raise UsageError(f"{where}: not JSON ({error}).") from error
    if isinstance(said, dict):
        turns = said.get("messages")
        said = said.get("prompt") if turns is None else turns
    if isinstance(said, str):
        return said
    try:
        return [Message(turn["role"], turn["content"]) for turn in said]
    except (KeyError, TypeError) as error:
        raise UsageError(
            f'{where}: write "text", {{"prompt": "text"}} or {{"messages": [{{"role": "user", '
            f'"content": "text"}}]}}.'
        ) from error


def _read(file: str) -> str:
    try:
        return sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} cannot be read: {error}") from error


def _prompt_scored(model: "CausalModel", prompt: Prompt, alternatives: int) -> "Scored | None":
    """The prompt's own log-probabilities; None of a conversation, whose tokens are not all text."""
    from isoflop.lm.scoring import score

    if not isinstance(prompt, str) or not prompt:
        return None
    return score(model, prompt, alternatives=alternatives)


def _row(prompt: Prompt, answer: "Generated", before: "Scored | None") -> dict[str, object]:
    asked: object = prompt
    if not isinstance(prompt, str):
        asked = [{"role": turn.role, "content": turn.content} for turn in prompt]
    row: dict[str, object] = {
        "prompt": asked,
        "text": answer.text,
        "finish_reason": answer.finish_reason,
        "prompt_tokens": answer.prompt_tokens,
        "output_tokens": answer.output_tokens,
        "seconds": answer.seconds,
    }
    if answer.scored is not None:
        row["tokens"] = _tokens(answer.scored)
        row["prompt_log_probabilities"] = None if before is None else _tokens(before)
    return row


def _tokens(scored: "Scored") -> list[dict[str, object]]:
    tops = scored.alternatives or [None] * len(scored.tokens)
    return [
        {"token": token, "bytes": size, "log_probability": value}
        | ({"alternatives": dict(top)} if top is not None else {})
        for token, size, value, top in zip(
            scored.tokens, scored.byte_lengths, scored.log_probabilities, tops, strict=True
        )
    ]
