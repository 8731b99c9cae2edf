"""Exams from one's own documents, without a language model."""
