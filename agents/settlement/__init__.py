"""Settlement: windows small purchases into batches, and buys batches at the outside exchange."""
