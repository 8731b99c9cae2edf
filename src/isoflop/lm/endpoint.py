"""Any OpenAI-compatible endpoint: the model `openai:NAME`."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

from isoflop.bill import Bill, total
from isoflop.errors import CannotScore, UsageError
from isoflop.lm.address import OPENAI, is_this_machine, key_for
from isoflop.lm.connection import Connection
from isoflop.lm.model import Generated, Message, OnText, Scored
from isoflop.lm.pace import Pace
from isoflop.lm.probe import LONGER, SENTENCE, TWIN, Probe, fault, faults, found
from isoflop.lm.refusals import cannot_score, refused_scoring
from isoflop.lm.request import Request, ScoreRequest
from isoflop.lm.wire import MOST_BYTES, MOST_SCORED_BYTES, Reading, Refused, Reply

__all__ = ["OPENAI", "Endpoint", "is_this_machine", "key_for"]

WAYS = ("echo", "prompt_logprobs")  # the first one that proves real is used
# Statuses with which servers say that they do not score, or not in this way.
NOT_SO = frozenset({400, 404, 405, 415, 422, 500, 501})
# Tokens of its own that a server may add to a text, and chat templates to each message. Those of
# Llama 3.1 and GPT-OSS add about 30 and 60 once; beyond that, the count is of another text.
MOST_ADDED, MOST_ADDED_TO_CHAT = 2, 100

log = logging.getLogger(__name__)


class Endpoint:
    """A model behind an OpenAI-compatible endpoint.

    What a server refuses (usage in streams, streams, a temperature, a system message) is left out
    from then on; what it may charge for is never asked twice: once text has begun to arrive, or
    after silence, nothing is retried. Any number of threads may use one endpoint.
    """

    def __init__(
        self,
        model: str,
        *,
        base_url: str | None = None,
        key: str | None = None,
        alternatives: int = 1,
        requests_per_minute: float | None = None,
        at_once: int | None = None,
        count_tokens: Callable[[str], int] | None = None,
        connect_seconds: float = 10.0,
        silence_seconds: float = 300.0,
        answer_seconds: float | None = None,
        retries: int = 4,
        pause: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """An endpoint; nothing is contacted until it is asked something.

        Args:
            model: The server's name for the model.
            base_url: Where `/chat/completions` is appended; OpenAI when None.
            key: Sent as a bearer token; None looks it up with `key_for`, "" sends none.
            alternatives: Most likely tokens asked for at each place when a text is scored. Some
                servers take 0 for "no log-probabilities"; the most is 5 at OpenAI, 20 at vLLM.
            requests_per_minute: Asks no faster than this, evenly spaced; None for no limit.
            at_once: Asks no more than this at the same time; None for no limit.
            count_tokens: Counts the tokens of a text with the model's own tokenizer; a server
                whose counts contradict it is reported in `doubts`.
            connect_seconds: Patience for a connection.
            silence_seconds: Patience between two pieces of an answer, the first one included.
            answer_seconds: Patience for a whole answer, once it has begun; None for no limit.
            retries: Further attempts after a busy or failing server.
            pause: Called with the seconds to wait before another attempt.
            clock: Tells the seconds that `pause` waits by.

        Raises:
            UsageError: If the name is empty, a limit is not positive, or `base_url` is no http(s)
                address or holds a password or key.
            Missing: If the key cannot be sent in a header, or openai.com is named without one.
        """
        if not model.strip():
            raise UsageError("No model is named after 'openai:'. Write openai:NAME.")
        if alternatives < 1:
            raise UsageError(f"alternatives={alternatives}: to be scored, ask for at least 1.")
        self.model = model
        self._alternatives, self._count = alternatives, count_tokens
        self._doubts: dict[str, None] = {}
        self._probed: Probe | CannotScore | None = None
        self._probing = threading.Lock()
        self._server = Connection(
            base_url or OPENAI,
            key,
            connect_seconds=connect_seconds,
            silence_seconds=silence_seconds,
            answer_seconds=answer_seconds,
            retries=retries,
            pace=Pace(requests_per_minute, at_once, pause=pause, clock=clock),
            pause=pause,
        )

    def __repr__(self) -> str:
        return f"Endpoint({self.model!r}, base_url={self.base_url!r})"

    @property
    def name(self) -> str:
        """As the user writes it: `openai:NAME`."""
        return f"openai:{self.model}"

    @property
    def base_url(self) -> str:
        """Where it is, without a key."""
        return self._server.base_url

    @property
    def doubts(self) -> tuple[str, ...]:
        """What in the server's own counts cannot be right, each said once; bills repeat them."""
        return tuple(self._doubts)

    def close(self) -> None:
        """Closes the connections."""
        self._server.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.close()

    def models(self) -> list[str]:
        """The models the server lists; empty when it lists none or does not answer."""
        return self._server.models()

    def generate(
        self,
        messages: Sequence[Message],
        *,
        most_tokens: int,
        temperature: float = 0,
        stop: Sequence[str] = (),
        on_text: OnText | None = None,
        alternatives: int | None = None,
    ) -> Generated:
        """The model's next turn; see `isoflop.lm.model.Model.generate`.

        Args:
            messages: The conversation so far.
            most_tokens: Tokens it may write.
            temperature: 0 for the most likely text.
            stop: Strings at which it stops, not included in the text.
            on_text: Called with each piece of text as it arrives.
            alternatives: Asks for the log-probability of each token that is written, with this
                many others; they are in `Generated.scored`, if the server gives them.

        Raises:
            EndpointError: If the server cannot be reached, refuses, falls silent or breaks off.
            Missing: If the server wants a key or does not know the model.
        """
        asked = tuple(messages)
        read = [message.content for message in asked]
        request = Request(self.model, asked, most_tokens, temperature, tuple(stop), alternatives)
        return self._written(request, read, MOST_ADDED_TO_CHAT * len(read), on_text)

    def complete(
        self,
        text: str,
        *,
        most_tokens: int,
        temperature: float = 0,
        stop: Sequence[str] = (),
        on_text: OnText | None = None,
        alternatives: int | None = None,
    ) -> Generated:
        """What follows a text, without a chat template; as `generate` in all else.

        Raises:
            EndpointError: If the server cannot be reached, refuses, falls silent or breaks off.
            Missing: If the server wants a key or does not know the model.
        """
        request = Request(self.model, text, most_tokens, temperature, tuple(stop), alternatives)
        return self._written(request, [text], MOST_ADDED, on_text)

    def score(self, text: str) -> Scored:
        """The log-probability of every token; see `isoflop.lm.model.Scorer.score`.

        The first call probes the server, with three short texts.

        Raises:
            CannotScore: If the server gives no log-probabilities of a text, or no real ones.
            EndpointError: If it cannot be reached, fails, or the text is too long for it.
            Missing: If it wants a key or does not know the model.
            UsageError: If the text is empty.
        """
        return self.score_continuation("", text)

    def score_continuation(self, prompt: str, continuation: str) -> Scored:
        """The tokens of a continuation; see `isoflop.lm.model.Scorer.score_continuation`.

        Raises:
            CannotScore: If the server gives no log-probabilities of a text, or no real ones.
            EndpointError: If it cannot be reached, fails, or the text is too long for it.
            Missing: If it wants a key or does not know the model.
            UsageError: If the continuation is empty.
        """
        if not continuation:
            raise UsageError("There is no text to score. Give at least one character.")
        way = self.probe().way
        scored = self._scored(prompt + continuation, way, len(prompt.encode()))
        wrong = scored if isinstance(scored, str) else fault(scored)
        if isinstance(scored, str) or wrong:
            raise cannot_score(self.model, self.base_url, {way: f"{wrong}, though others had"})
        return scored

    def probe(self) -> Probe:
        """Whether and how this server scores texts, found out once.

        Raises:
            CannotScore: If it does not, with what it answered; at each call, without asking again.
            EndpointError: If it cannot be reached or fails.
            Missing: If it wants a key or does not know the model.
        """
        with self._probing:
            if self._probed is None:
                self._probed = self._found_out()
            if isinstance(self._probed, CannotScore):
                raise CannotScore(*self._probed.args)
            return self._probed

    def _found_out(self) -> Probe | CannotScore:
        seen: dict[str, str] = {}
        spent: list[Bill] = []
        for way in WAYS:
            answers: list[Scored] = []
            for text in (SENTENCE, TWIN, LONGER):
                scored = self._scored(text, way)
                if isinstance(scored, str):
                    seen[way] = scored
                    break
                answers.append(scored)
                spent.append(scored.bill)
            if way in seen:
                continue
            wrong = faults(*answers)
            if wrong is None:
                return found(way, *answers, bill=total(spent))
            seen[way] = wrong
        return cannot_score(self.model, self.base_url, seen)

    def _scored(self, text: str, way: str, start: int = 0) -> Scored | str:
        """The tokens of a text from byte `start` on, or what came instead of them."""
        request = ScoreRequest(self.model, text, way, self._alternatives)
        started = time.perf_counter()
        try:
            reading = self._server.exchange(request, lambda: Reading(way), self.model, NOT_SO)
        except Refused as refused:
            return refused_scoring(refused, self.model, self.base_url, self.models)
        scored = reading.scored(text, start, time.perf_counter() - started, self.model)
        if scored is None:
            return reading.instead(text)
        if not start:
            self._check(len(scored.tokens), scored.prompt_tokens, MOST_ADDED, "scored tokens")
        self._check_counts(scored, [text], MOST_ADDED)
        return scored

    def _written(
        self, request: Request, read: Sequence[str], most_added: int, on_text: OnText | None
    ) -> Generated:
        started = time.perf_counter()
        most = MOST_BYTES if request.alternatives is None else MOST_SCORED_BYTES
        reply = self._server.exchange(request, lambda: Reply(on_text, most), self.model)
        generated = reply.generated(time.perf_counter() - started, self.model)
        if request.alternatives is not None and generated.text and generated.scored is None:
            log.warning("%s gives no log-probabilities of what it writes", self.base_url)
        self._check_counts(generated, read, most_added)
        return generated

    def _check_counts(
        self, answer: Scored | Generated, read: Sequence[str], most_added: int
    ) -> None:
        """Notes counts that contradict each other or the tokenizer that the user gave."""
        cached, prompt = answer.cached_tokens, answer.prompt_tokens
        if cached is not None and prompt is not None and cached > prompt:
            self._doubt(f"counts {cached:,} cached tokens of only {prompt:,} in the prompt")
        if isinstance(answer, Generated):
            if answer.text and answer.output_tokens == 0:
                self._doubt("wrote text and counts 0 tokens for it")
            if answer.scored and answer.output_tokens is not None:
                shown = len(answer.scored.tokens)
                if shown > answer.output_tokens:
                    self._doubt(f"gives {shown:,} tokens and counts {answer.output_tokens:,}")
        if self._count is not None:
            mine = sum(map(self._count, read))
            self._check(mine, prompt, most_added, "by the tokenizer here")

    def _check(self, mine: int, theirs: int | None, most_added: int, which: str) -> None:
        if theirs is not None and not mine <= theirs <= mine + most_added:
            self._doubt(f"counts {theirs:,} tokens in the prompt, which has {mine:,} {which}")

    def _doubt(self, what: str) -> None:
        said = f"{self.base_url} {what}"
        if said not in self._doubts:
            self._doubts[said] = None
            log.warning("%s; the bill follows the server", said)
