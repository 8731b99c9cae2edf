"""Synthetic worlds: invented people, towns and firms, what is true of them, and questions."""

from isoflop.worlds.reading import Item, reading_exam, reading_prompt, reading_records

__all__ = ["Item", "reading_exam", "reading_prompt", "reading_records"]
