"""Other systems doing the same work, each in its documented way and its own environment."""
