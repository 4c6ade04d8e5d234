"""What an operator types: the `tidemark` command, one file per verb."""
