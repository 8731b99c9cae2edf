"""Ways of answering with a language model or without one."""
