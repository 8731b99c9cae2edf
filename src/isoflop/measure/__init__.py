"""Scores, intervals and comparisons."""
