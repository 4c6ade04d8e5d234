"""How fast a book's change reaches many sockets: the load, those who listen, and what they saw."""
