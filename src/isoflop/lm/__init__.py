"""Language models: the protocol and other people's models."""
