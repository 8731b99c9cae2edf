"""Lossless compression of text by a language model's own predictions."""
