"""How good answers to questions about documents are: their citations, and when to stay silent."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from isoflop.augment import facts
from isoflop.augment.sentences import sentences
from isoflop.errors import UsageError
from isoflop.measure.exams import spans
from isoflop.measure.statistics.abstention import RiskCoverage, risk_coverage


@dataclass(frozen=True, slots=True)
class Claim:
    """One statement of an answer and the texts it cites; none when it cites nothing."""

    text: str
    sources: tuple[str, ...] = ()


class Judge(Protocol):
    """Says whether texts together support a claim. Its name stands beside every score."""

    name: str

    def supports(self, claim: str, sources: Sequence[str]) -> bool:
        """Whether all of the claim is in the sources."""
        ...


class Verbatim:
    """Supported is what a source says word for word: each sentence of the claim, in one source.

    Case, white space and marks between words do not count. It never takes a wrong claim for a
    supported one, and does not know a claim in other words.
    """

    name = "verbatim"

    def supports(self, claim: str, sources: Sequence[str]) -> bool:
        """Whether each sentence of the claim stands in one of the sources."""
        said = [_in_words(claim[start:stop]) for start, stop in sentences(claim)]
        held = [_in_words(source) for source in sources]
        return any(said) and all(any(one in text for text in held) for one in said)


class Mentioned:
    """Supported is what has its numbers and names, and half of its content words, in the sources.

    It takes "was not built in 1902" for supported by "was built in 1902".
    """

    name = "mentioned"

    def supports(self, claim: str, sources: Sequence[str]) -> bool:
        """Whether numbers and names occur, and half of the other words."""
        by = facts.known("\n".join(sources))
        return not facts.unmentioned(claim, by) and facts.share(claim, by) >= facts.ENOUGH


@dataclass(frozen=True, slots=True)
class CitationScore:
    """How far answers are supported by what they cite.

    Attributes:
        judge: Who decided.
        claims: Statements judged.
        citations: Texts they cite.
        recall: Share of claims that their citations together support; a claim without citations
            is not supported.
        precision: Share of citations that their claim needs: it is supported, and by this one
            alone or not by the others. None without citations.
    """

    judge: str
    claims: int
    citations: int
    recall: float
    precision: float | None


def citation_score(claims: Sequence[Claim], judge: Judge) -> CitationScore:
    """Citation recall and precision.

    Args:
        claims: The statements of one answer or of many.
        judge: Who decides about support.

    Raises:
        UsageError: If there are no claims.

    Source:
        Gao et al. 2023, ALCE, arXiv:2305.14627, section 3; there a language model judges.
    """
    if not claims:
        raise UsageError("There are no claims to judge: the answers are empty.")
    supported = [bool(one.sources) and judge.supports(one.text, one.sources) for one in claims]
    needed = [
        judge.supports(claim.text, [source])
        or not judge.supports(claim.text, claim.sources[:place] + claim.sources[place + 1 :])
        for claim, is_supported in zip(claims, supported, strict=True)
        if is_supported
        for place, source in enumerate(claim.sources)
    ]
    cited = sum(len(claim.sources) for claim in claims)
    return CitationScore(
        judge.name,
        len(claims),
        cited,
        sum(supported) / len(claims),
        sum(needed) / cited if cited else None,
    )


def abstention(
    confidence: Sequence[float], said: Sequence[str], accepted: Sequence[Sequence[str]]
) -> RiskCoverage:
    """What is lost, as 1 - F1, when only the surest answers are given.

    Args:
        confidence: How sure each answer is, on any scale.
        said: The answers, as long.
        accepted: What is accepted for each; ("",) where the documents do not answer.

    Raises:
        UsageError: If lengths differ, there are no answers, or nothing is accepted for one.
    """
    if len(said) != len(accepted) or not all(accepted):
        raise UsageError(
            f"{len(said)} answers and {sum(map(bool, accepted))} keys that accept something: each "
            "answer needs one. Where nothing is to be said, accept the empty answer."
        )
    losses = [1 - spans.f1(*one) for one in zip(said, accepted, strict=True)]
    return risk_coverage(confidence, losses)


def _in_words(text: str) -> str:
    """The words of a text, folded, each between blanks."""
    found = facts.WORD.findall(text.casefold())
    return f" {' '.join(found)} " if found else ""
