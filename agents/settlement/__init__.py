"""Settlement: gathers small purchases into batches, and buys the batches on the outside exchange."""
