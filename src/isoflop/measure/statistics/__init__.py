"""Baselines, intervals, tests and curves: every function a plain one on plain numbers."""
