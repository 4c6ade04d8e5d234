# A market order takes up to its protective price, and never rests.
place  s1 sell limit  100 2
  rested    s1 100 2
place  s2 sell limit  104 2
  rested    s2 104 2
place  s3 sell limit  106 2
  rested    s3 106 2
place  b1 buy  market 105 5
  traded    b1 s1 100 2 released=10
  traded    b1 s2 104 2 released=2
  expired   b1 unfilled released=105

# With nothing in reach it expires as it came.
place  b2 buy  market 105 5
  expired   b2 unfilled released=525

# The other way round.
place  b3 buy  limit  90 3
  rested    b3 90 3
place  s4 sell market 85 5
  traded    s4 b3 90 3
  expired   s4 unfilled released=2

# Whole or not at all, by market.
place  b4 buy  market_fill_or_kill 106 3
  expired   b4 would_not_fill released=318
place  b5 buy  market_fill_or_kill 106 2
  traded    b5 s3 106 2

# Without a protective price there is no market order; a market order cannot wait to be a maker.
place  b6 buy  market - 5
  rejected  b6 no_price
place  b7 buy  market_post_only 106 5
  rejected  b7 invalid_order
