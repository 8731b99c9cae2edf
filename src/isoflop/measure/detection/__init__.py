"""Whether a text was written by a machine: scores, verdicts that keep a promise, and audits."""
