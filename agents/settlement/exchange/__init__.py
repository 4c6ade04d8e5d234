"""The sandbox' outside exchange: a venue of its own, with a memory of its own that no part of Tidemark reads."""
