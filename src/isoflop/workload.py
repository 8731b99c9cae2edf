"""Workload: a corpus, questions about it, a model and a machine: what a forecast is asked about."""

import math
from dataclasses import dataclass, fields

from isoflop.architecture import Architecture
from isoflop.machine import Machine


@dataclass(frozen=True, slots=True)
class Workload:
    """What is to be answered from what, by which model, where.

    Attributes:
        architecture: Of the model.
        machine: That runs it.
        corpus_tokens: Of all documents together.
        question_tokens: Of one question.
        answer_tokens: Written for one question.
        instruction_tokens: Before each question, the same every time.
        passages: Retrieved for a question, or for a step of an agent.
        passage_tokens: Of one of them.
        steps: Of an agent, the last of which answers.
        step_tokens: It writes in each step before that: what to look for, and where.
        cache_hits: Share of prompts whose kept beginning is still there when they come.
        batch: Questions answered at once on one copy of the model.
        epochs: Times fine-tuning reads the corpus.
        questions: How many, in so many seconds.
        period_seconds: Infinity where they come once.
    """

    architecture: Architecture
    machine: Machine
    corpus_tokens: float
    question_tokens: float = 30
    answer_tokens: float = 200
    instruction_tokens: float = 100
    passages: float = 5
    passage_tokens: float = 230
    steps: float = 4
    step_tokens: float = 100
    cache_hits: float = 1.0
    batch: float = 1
    epochs: float = 3
    questions: float = 1000
    period_seconds: float = math.inf

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, int | float) and not value >= 0:
                raise ValueError(f"a workload needs {field.name} >= 0, got {value}")
        for name in ("question_tokens", "answer_tokens", "steps", "batch", "corpus_tokens"):
            if getattr(self, name) < 1:
                raise ValueError(f"a workload needs {name} >= 1, got {getattr(self, name)}")
        if self.cache_hits > 1:
            raise ValueError(f"cache_hits is a share of at most 1, got {self.cache_hits}")
        if self.passages * self.passage_tokens < 1:
            raise ValueError("a workload needs passages of at least one token")

    @property
    def asked_tokens(self) -> float:
        """Instructions and question."""
        return self.instruction_tokens + self.question_tokens

    @property
    def retrieved_tokens(self) -> float:
        """Of the passages found for a question: never more than the corpus."""
        return min(self.passages * self.passage_tokens, self.corpus_tokens)
