"""The client against transformers' own server, where its packages are installed.

`pip install fastapi uvicorn openai` makes this run; it starts in ten seconds.
"""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from isoflop.errors import CannotScore
from isoflop.lm.endpoint import Endpoint
from isoflop.lm.model import Message

for package in ("fastapi", "uvicorn", "openai"):
    pytest.importorskip(package)
pytestmark = pytest.mark.slow
PORT = 18123


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Llama of one layer, without training."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("tiny")
    alphabet = ["<eos>", *sorted(pre_tokenizers.ByteLevel.alphabet())]
    tokenizer = Tokenizer(models.BPE({letter: i for i, letter in enumerate(alphabet)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]  # of transformers
        tokenizer_object=tokenizer,
        eos_token="<eos>",
        chat_template="{% for m in messages %}{{ m['content'] }}{% endfor %}",
    ).save_pretrained(folder)
    torch.manual_seed(1)
    LlamaForCausalLM(
        LlamaConfig(
            vocab_size=257,
            hidden_size=16,
            intermediate_size=32,
            num_hidden_layers=1,
            num_attention_heads=2,
            num_key_value_heads=2,
            eos_token_id=None,
            bos_token_id=None,
        )
    ).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def url(checkpoint: Path) -> Iterator[str]:
    """Where the server answers."""
    code = "from transformers.cli.transformers import main; main()"
    command = [sys.executable, "-c", code, "serve", "--port", str(PORT), "--device", "cpu"]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(240):
            try:
                httpx.get(f"http://127.0.0.1:{PORT}/health", trust_env=False)
                break
            except httpx.TransportError:
                time.sleep(0.25)
        yield f"http://127.0.0.1:{PORT}/v1"
    finally:
        server.terminate()
        server.wait(10)


def test_it_writes_counts_and_is_refused_as_a_scorer(url: str, checkpoint: Path) -> None:
    pieces: list[str] = []
    with Endpoint(str(checkpoint), base_url=url, key="") as endpoint:
        asked = [Message("user", "The index is")]
        chat = endpoint.generate(asked, most_tokens=5, on_text=pieces.append)
        plain = endpoint.complete("The index is", most_tokens=5)
        with pytest.raises(CannotScore, match="asked with echo, no log-probabilities came"):
            endpoint.score("The index is kept.")
    assert chat.text == plain.text == "".join(pieces)
    for generated in (chat, plain):
        assert (generated.prompt_tokens, generated.output_tokens) == (12, 5)
        assert (generated.finish_reason, generated.scored) == ("length", None)
