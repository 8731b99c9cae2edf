"""At equal compute, what works best? The nouns, and the two verbs one starts with."""

from isoflop.augment.ask import ask
from isoflop.bill import Bill
from isoflop.documents import Document, Passage, Span
from isoflop.errors import IsoflopError
from isoflop.measure.comparison import compare
from isoflop.questions import Answer, Citation, Hit, Question
from isoflop.search.index import Index

__version__ = "0.1.0"

__all__ = [
    "Answer",
    "Bill",
    "Citation",
    "Document",
    "Hit",
    "Index",
    "IsoflopError",
    "Passage",
    "Question",
    "Span",
    "ask",
    "compare",
]
