"""What retrieval costs: indexing, paid once, and each question, by each way of ranking."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from isoflop.architecture import Architecture
from isoflop.bill import Bill
from isoflop.machine import Machine
from isoflop.plan.flops import forward_flops
from isoflop.plan.price import run_bill

# Means over five English corpora (finance, chat, medicine, speech, encyclopedia; 1.4 MB) and 1,190
# English questions, as cut and padded for MiniLM; 2026-11-23, benchmarks/README.md names the data.
PASSAGE_CHARACTERS = 986  # a document of many short sections has shorter passages, and more
PASSAGE_TOKENS = 227  # heading path and padding included
QUESTION_TOKENS = 20
ASSUMED_SHARE_OF_PEAK = 0.3  # of the int8 peak, where no trial was run on this machine
ASSUMED_QUESTION_SECONDS = 0.002  # words, rows and Python for one question, likewise
RERANKED_TOKENS = 0  # read per question by "reranked" beyond the question itself


@dataclass(frozen=True, slots=True)
class Speed:
    """How fast this machine runs the search path, as a trial of about a second measured it.

    Attributes:
        flops_per_second: While indexing, reading and writing included.
        question_seconds: Of one question against a tiny index, by way of ranking.
        measured: False when nothing was measured and the catalog's peak was used.
    """

    flops_per_second: float
    question_seconds: Mapping[str, float]
    measured: bool = True


@dataclass(frozen=True, slots=True)
class Corpus:
    """What a forecast is asked about.

    Attributes:
        characters: Of text in all documents.
        passages: It is or will be cut into; None to estimate them from the characters.
    """

    characters: float
    passages: int | None = None

    @property
    def passage_count(self) -> float:
        """Given or estimated."""
        return self.characters / PASSAGE_CHARACTERS if self.passages is None else self.passages


def indexing_forecast(
    machine: Machine, speed: Speed, architecture: Architecture, corpus: Corpus
) -> Bill:
    """The bill of embedding a corpus once.

    Reading files is in the seconds as far as the trial's reading was; slow formats such as PDF
    take longer than this says.
    """
    full = corpus.characters / PASSAGE_CHARACTERS
    flops = full * forward_flops(architecture, [PASSAGE_TOKENS])
    return run_bill(
        machine,
        seconds=flops / speed.flops_per_second,
        flops=flops,
        prompt_tokens=full * PASSAGE_TOKENS,
        basis="forecast",
    )


def question_forecast(
    machine: Machine,
    speed: Speed,
    architecture: Architecture,
    corpus: Corpus,
    way: str,
    question_tokens: float = QUESTION_TOKENS,
) -> Bill:
    """The bill of one question by one way of ranking.

    Comparing vectors takes 2 x width operations a passage, and reads one byte of each number at
    the machine's bandwidth; ranking words takes no matrix arithmetic and counts 0 FLOPs.
    """
    seconds, flops, tokens = speed.question_seconds[way], 0.0, 0.0
    if way != "bm25":
        tokens = question_tokens
        flops = forward_flops(architecture, [tokens])
        flops += 2 * architecture.width * corpus.passage_count
        if machine.accelerator.bytes_per_second:
            read = architecture.width * corpus.passage_count
            seconds += read / machine.accelerator.bytes_per_second
    if way == "reranked":
        tokens += RERANKED_TOKENS
        flops += forward_flops(architecture, [RERANKED_TOKENS])
    return run_bill(machine, seconds=seconds, flops=flops, prompt_tokens=tokens, basis="forecast")


def assumed_speed(machine: Machine, architecture: Architecture) -> Speed | None:
    """Speed from the catalog's peak, where no trial was run; None if no peak is known."""
    peak = machine.flops_per_second("int8") or machine.flops_per_second("fp32")
    if peak is None:
        return None
    rate = ASSUMED_SHARE_OF_PEAK * peak
    encode = forward_flops(architecture, [QUESTION_TOKENS]) / rate
    return Speed(
        flops_per_second=rate,
        question_seconds={
            "bm25": ASSUMED_QUESTION_SECONDS,
            "dense": ASSUMED_QUESTION_SECONDS + encode,
            "fused": ASSUMED_QUESTION_SECONDS + encode,
            "reranked": ASSUMED_QUESTION_SECONDS
            + encode
            + forward_flops(architecture, [RERANKED_TOKENS]) / rate,
        },
        measured=False,
    )


def save_speed(speed: Speed, folder: Path) -> None:
    """Keep a trial's result for later forecasts."""
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / "speed.json.part"
    part.write_text(json.dumps(asdict(speed)), encoding="utf-8")
    part.replace(folder / "speed.json")


def saved_speed(folder: Path) -> Speed | None:
    """The last trial's result on this machine; None if there is none that can be read."""
    try:
        return Speed(**json.loads((folder / "speed.json").read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
