"""Ways of answering from documents, one file each."""
