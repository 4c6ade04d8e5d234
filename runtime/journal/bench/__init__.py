"""A small deterministic machine, with a process of its own: the journal's load in measurements and in crash tests."""
