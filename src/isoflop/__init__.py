"""At equal compute, what works best? The nouns; the verbs are the sub-packages."""

from isoflop.bill import Bill
from isoflop.documents import Document, Passage, Span
from isoflop.errors import IsoflopError
from isoflop.questions import Answer, Citation, Hit, Question

__version__ = "0.1.0"

__all__ = [
    "Answer",
    "Bill",
    "Citation",
    "Document",
    "Hit",
    "IsoflopError",
    "Passage",
    "Question",
    "Span",
]
