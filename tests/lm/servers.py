"""Servers of a real model on this machine, good ones and bad ones.

The model is a byte-level BPE of 600 tokens and the counts of two tokens. The servers answer as
servers do; each names where that was read.
"""

import json
import math
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from typing import Any

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from isoflop.lm.endpoint import Endpoint

KEY = "sk-secret-7f3a"


class TwoTokens:
    """A model of counts: absolute discounting of pairs, single tokens and equal chances."""

    def __init__(self, text: str) -> None:
        self.tokenizer = Tokenizer(models.BPE())
        self.tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        self.tokenizer.decoder = decoders.ByteLevel()
        alphabet = pre_tokenizers.ByteLevel.alphabet()
        self.tokenizer.train_from_iterator(
            [text],
            trainers.BpeTrainer(vocab_size=600, initial_alphabet=alphabet, show_progress=False),
        )
        ids = self.encode(text)
        self.single = Counter(ids)
        self.pairs: dict[int, Counter[int]] = defaultdict(Counter)
        for before, token in pairwise(ids):
            self.pairs[before][token] += 1

    def encode(self, text: str) -> list[int]:
        return list(self.tokenizer.encode(text).ids)

    def string(self, token: int) -> str:
        return str(self.tokenizer.decode([token]))

    @cache  # noqa: B019 - there is one model, for as long as these tests run
    def log_probabilities(self, before: int) -> list[float]:
        """Of every token after this one."""
        total, seen = self.single.total(), len(self.single)
        after = self.pairs[before]
        most = max(after.total(), 1)
        kept = len(after) * 0.75 / most if after else 1.0
        chances = []
        for token in range(self.tokenizer.get_vocab_size()):
            single = max(self.single[token] - 0.75, 0) / total + 0.75 * seen / total / 600
            chances.append(max(after[token] - 0.75, 0) / most + kept * single)
        return [math.log(chance) for chance in chances]


Body = dict[str, Any]
Answer = Callable[["Handler", Body], None]


class Handler(BaseHTTPRequestHandler):
    """Hands a request to the server's answer."""

    protocol_version = "HTTP/1.1"
    server: "Server"

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.bodies.append(body)
        with self.server.counting:
            self.server.inside += 1
            self.server.most_inside = max(self.server.most_inside, self.server.inside)
        try:
            self.server.answer(self, body)
        finally:
            with self.server.counting:
                self.server.inside -= 1

    def do_GET(self) -> None:
        self.say(200, {"data": [{"id": "two-tokens"}]})

    def say(self, status: int, value: object, **headers: str) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        for name, text in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), text)
        self.end_headers()
        self.wfile.write(body)

    def refuse(self, status: int, message: str, **headers: str) -> None:
        self.say(status, {"error": {"message": message, "code": status}}, **headers)

    def log_message(self, format: str, *args: object) -> None:
        """Silent."""


class Server(ThreadingHTTPServer):
    """A server of a real model; `answer` is how it answers."""

    daemon_threads = True

    def __init__(self, model: TwoTokens) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.model = model
        self.answer: Answer = vllm
        self.usage: object = "true"  # else what to say instead
        self.bodies: list[Body] = []
        self.counting = threading.Lock()
        self.inside = self.most_inside = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"

    def endpoint(self, answer: Answer | None = None, **options: Any) -> Endpoint:
        self.answer = answer or self.answer
        return Endpoint(
            "two-tokens", **{"base_url": self.url, "key": KEY, "silence_seconds": 9, **options}
        )


@contextmanager
def running(model: TwoTokens) -> Iterator[Server]:
    """A server of the model, at work."""
    with Server(model) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def truth(model: TwoTokens, text: str) -> list[float]:
    """The log-probabilities of all tokens but the first, without any server."""
    ids = model.encode(text)
    return [model.log_probabilities(before)[token] for before, token in pairwise(ids)]


def columns(model: TwoTokens, ids: Sequence[int], top: int) -> Body:
    """OpenAI's parallel lists, null for the first token, as vLLM and SGLang give them."""
    logs: list[float | None] = [None]
    tops: list[dict[str, float] | None] = [None]
    for before, token in pairwise(ids):
        all_ = model.log_probabilities(before)
        best = sorted(range(len(all_)), key=lambda i: -all_[i])[:top]
        logs.append(all_[token])
        tops.append({model.string(i): all_[i] for i in [token, *best]})
    written = [model.string(token) for token in ids]
    return {"tokens": written, "token_logprobs": logs, "top_logprobs": tops}


def completion(to: Handler, body: Body, text: str, **choice: object) -> None:
    read = len(to.server.model.encode(body["prompt"]))
    usage = {"prompt_tokens": read, "completion_tokens": 1, "total_tokens": read + 1}
    whole = {"index": 0, "text": text, "finish_reason": "length", **choice}
    answer = {"object": "text_completion", "model": "two-tokens-v1", "choices": [whole]}
    to.say(200, {**answer, "usage": usage if to.server.usage == "true" else to.server.usage})


def written(model: TwoTokens, ids: Sequence[int]) -> int:
    logs = model.log_probabilities(ids[-1])
    return max(range(len(logs)), key=logs.__getitem__)


def vllm(to: Handler, body: Body, change: Callable[[Body], None] | None = None) -> None:
    """vLLM 030ea52 (2026), entrypoints/openai/completion/serving.py: echo gives the prompt's
    tokens, the beginning of text among them, and then what was written; it may be asked for
    `prompt_logprobs` too, keyed by token id, the prompt's own token first.
    """
    model, ids = to.server.model, to.server.model.encode(body["prompt"])
    new = written(model, ids)
    if body.get("prompt_logprobs") is not None:
        table = columns(model, ids, body["prompt_logprobs"])
        places: list[dict[str, object] | None] = [None]
        for i, token in enumerate(ids[1:], start=1):
            top = table["top_logprobs"][i]
            rows = {model.string(token): token} | {text: 1000 + n for n, text in enumerate(top)}
            rows[model.string(token)] = token
            places.append(
                {
                    str(key): {"logprob": top[text], "rank": 1, "decoded_token": text}
                    for text, key in rows.items()
                }
            )
        completion(to, body, model.string(new), logprobs=None, prompt_logprobs=places)
        return
    if not body.get("echo"):
        completion(to, body, model.string(new), logprobs=None)
        return
    table = columns(model, [*ids, new], body["logprobs"])
    table["tokens"].insert(0, "<s>")
    table["token_logprobs"].insert(0, None)
    table["token_logprobs"][1] = math.log(1 / 600)
    table["top_logprobs"][0] = {}
    table["top_logprobs"].insert(0, None)
    if change:
        change(table)
    completion(to, body, body["prompt"] + model.string(new), logprobs=table)


def sglang(to: Handler, body: Body) -> None:
    """SGLang 004c82e (2026), serving_completions.py: as vLLM without a beginning; every
    `text_offset` is -1; it knows no `prompt_logprobs`.
    """
    model, ids = to.server.model, to.server.model.encode(body["prompt"])
    new = written(model, ids)
    table = columns(model, [*ids, new], body["logprobs"])
    table["text_offset"] = [-1] * len(table["tokens"])
    completion(to, body, body["prompt"] + model.string(new), logprobs=table)


def no_echo(to: Handler, body: Body) -> None:
    """A gateway that drops `echo` on its way to a vLLM and keeps what it does not know."""
    vllm(to, {name: value for name, value in body.items() if name not in ("echo", "logprobs")})


def llama_server(to: Handler, body: Body) -> None:
    """llama-server b9847 (2026), tools/server/server-common.cpp: refuses echo, and gives
    log-probabilities of what it writes in the form of chats.
    """
    if body.get("echo"):
        to.refuse(500, "Only no echo is supported")
        return
    model, ids = to.server.model, to.server.model.encode(body["prompt"])
    completion(to, body, model.string(written(model, ids)), logprobs=None)


def output_only(to: Handler, body: Body) -> None:
    """llama.cpp issue 27174 (August 2026): echo is ignored, one token has a log-probability."""
    model, ids = to.server.model, to.server.model.encode(body["prompt"])
    new = written(model, ids)
    entry = {"token": model.string(new), "logprob": -0.5, "bytes": [32], "top_logprobs": []}
    completion(to, body, model.string(new), logprobs={"content": [entry]})


def ollama(to: Handler, body: Body) -> None:
    """Ollama fb30760 (August 2026), openai/openai.go: its completions know neither field and
    answer with text alone. So do transformers serve 5.24 and LM Studio's stub.
    """
    completion(to, body, " and")


def tgi(to: Handler, body: Body) -> None:
    """text-generation-inference db931fc (January 2026), router/src/server.rs: null."""
    completion(to, body, " and", logprobs=None)


def openai_chat(to: Handler, body: Body) -> None:
    """OpenAI, for gpt-4 and later."""
    to.refuse(404, "This is a chat model and not supported in the v1/completions endpoint.")


def openai_instruct(to: Handler, body: Body) -> None:
    """OpenAI, for gpt-3.5-turbo-instruct (keirp/automatic_prompt_engineer issue 25)."""
    to.refuse(400, "Setting 'echo' and 'logprobs' at the same time is not supported.")


def changed(change: Callable[[list[float | None]], Sequence[float | None]]) -> Answer:
    """A vLLM whose log-probabilities are something else."""

    def edit(table: Body) -> None:
        table["token_logprobs"] = [None, *change(table["token_logprobs"][1:])]

    return edited(edit)


def edited(edit: Callable[[Body], None]) -> Answer:
    """A vLLM whose table is changed, and that does not know `prompt_logprobs`."""
    return lambda to, body: vllm(to, body | {"prompt_logprobs": None}, edit)


def one_late(to: Handler, body: Body) -> None:
    """A server that reads each token's log-probability off the place after it."""
    model, ids = to.server.model, to.server.model.encode(body["prompt"])

    def edit(table: Body) -> None:
        table["token_logprobs"][1:-1] = [model.log_probabilities(each)[each] for each in ids]
        table["top_logprobs"] = []

    vllm(to, body | {"prompt_logprobs": None}, edit)


def leftovers() -> Answer:
    """vLLM issue 42019 (May 2026): where a prefix is cached, the log-probabilities are those of
    the request before.
    """
    last: list[list[float | None]] = []

    def edit(table: Body) -> None:
        mine = list(table["token_logprobs"])
        if last and len(last[0]) < len(mine):  # the longer text, of which 32 tokens are cached
            table["token_logprobs"] = [*last[0][:32], *mine[32:]]
        last[:] = [mine]

    return edited(edit)


def squared(logs: list[float | None]) -> list[float | None]:
    return [None if value is None else math.exp(value) for value in logs]


def flaky(*first: Answer) -> Answer:
    """Answers in these ways first, then as vLLM does."""
    left = list(first)
    return lambda to, body: (left.pop(0) if left else vllm)(to, body)


def cut(to: Handler, body: Body) -> None:
    """The connection drops in the middle of the body."""
    to.send_response(200)
    to.send_header("Content-Length", "5000")
    to.end_headers()
    to.wfile.write(b'{"choices": [{"text": "')
    to.close_connection = True


def busy(to: Handler, body: Body) -> None:
    to.refuse(429, "slow down", Retry_After="3")


def broken(to: Handler, body: Body) -> None:
    to.refuse(500, "CUDA error")
