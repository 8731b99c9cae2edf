"""Measurements of isoflop, alone and beside its peers; each script writes one JSON result."""
