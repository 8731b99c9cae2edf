"""Training time and memory as planned, against what was published and measured.

    python -m benchmarks.plan_training          the tables
    python -m benchmarks.plan_training --fit    fit the constants again and print them

The rows are the development rows of shared/facts (see benchmarks.facts); each row's notes say by
which convention its figure was made, and what they leave out is taken as the code that made it is
known to do.
"""
