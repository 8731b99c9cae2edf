"""Exams: items with keys, decision rules, recorded answers, and scores that can be trusted."""
