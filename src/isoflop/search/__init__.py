"""From files to passages to an index to hits."""
