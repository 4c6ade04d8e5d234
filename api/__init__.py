"""The door: one file per noun that a client sees."""
