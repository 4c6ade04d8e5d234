"""Outside exchanges, each behind the same two questions: buy this, and what became of it."""
