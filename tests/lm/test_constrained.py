"""Output held to a grammar: random models must obey it."""

import json
import re
from typing import Any

import pytest

from isoflop.errors import UsageError
from isoflop.lm.constrained import Constraint, tokenizer_of
from isoflop.lm.generate import Request, generate
from isoflop.lm.own import OwnModel
from isoflop.lm.sample import Sampling
from tests.lm.models import hugging_face_model, own_model

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 5},
        "legs": {"enum": [2, 4]},
        "tags": {"type": "array", "items": {"type": "boolean"}, "maxItems": 2},
    },
    "required": ["name", "legs", "tags"],
    "additionalProperties": False,
}


@pytest.mark.parametrize("kind", ["own", "hf"])
def test_a_random_model_writes_json_that_the_schema_allows(kind: str) -> None:
    model: Any = own_model() if kind == "own" else hugging_face_model("llama")
    constraint = Constraint.of_schema(SCHEMA, tokenizer_of(model))
    request = Request(200, Sampling(temperature=1, seed=5), constraint=constraint)
    for answer in generate(model, [[0], [0, 9, 9]], request):
        assert answer.finish_reason == "stop"
        said = json.loads(answer.text)
        assert list(said) == ["name", "legs", "tags"]
        assert len(said["name"]) <= 5
        assert said["legs"] in (2, 4)
        assert all(tag in (True, False) for tag in said["tags"])
        assert len(said["tags"]) <= 2


def test_a_random_model_writes_what_the_expression_matches() -> None:
    model = own_model()
    constraint = Constraint.of_expression(r"(ja|nein), [0-9]{3} é", tokenizer_of(model))
    answers = generate(model, [[0]] * 4, Request(50, Sampling(1), constraint=constraint))
    assert all(re.fullmatch(r"(ja|nein), [0-9]{3} é", answer.text) for answer in answers)
    assert len({answer.text for answer in answers}) > 1


def test_log_probabilities_are_the_models_own_and_not_those_of_the_grammar() -> None:
    model = own_model()
    constraint = Constraint.of_expression("a", tokenizer_of(model))
    forced = generate(model, [[0]], Request(5, constraint=constraint, alternatives=0))[0]
    assert forced.text == "a"
    assert forced.scored is not None
    expected = model.score("a").log_probability
    assert forced.scored.log_probability == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(
    ("build", "said"),
    [
        (lambda model: Constraint.of_schema("{", tokenizer_of(model)), "schema cannot be read"),
        (lambda model: Constraint.of_schema({"type": "x"}, tokenizer_of(model)), "JSON schema"),
        (lambda model: Constraint.of_expression("(", tokenizer_of(model)), "unclosed group"),
    ],
)
def test_what_is_no_grammar_is_refused_with_the_reason(build: Any, said: str) -> None:
    model: OwnModel = own_model()
    with pytest.raises(UsageError, match=said):
        build(model)
