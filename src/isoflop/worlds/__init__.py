"""Synthetic worlds: invented people, towns and firms, what is true of them, and questions."""

from isoflop.worlds.ask import QUESTION_KINDS, WorldQuestion
from isoflop.worlds.pages import Evidence
from isoflop.worlds.reading import UNKNOWN, Item, reading_exam, reading_prompt, reading_records
from isoflop.worlds.truth import Fact
from isoflop.worlds.world import World

__all__ = [
    "QUESTION_KINDS",
    "UNKNOWN",
    "Evidence",
    "Fact",
    "Item",
    "World",
    "WorldQuestion",
    "reading_exam",
    "reading_prompt",
    "reading_records",
]
