"""The exchange desk: buys closed batches outside, each once, and tells the books what the exchange said."""
