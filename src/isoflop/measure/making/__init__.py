"""Exams from one's own documents, with and without a language model."""
