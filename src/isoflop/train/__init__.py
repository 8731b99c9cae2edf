"""Training: from text to token shards, and from shards to a language model."""
