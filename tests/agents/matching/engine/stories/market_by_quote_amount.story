# A market buy may name the sum to spend. It buys whole lots, and what buys no lot goes back.
place  s1 sell limit  30 2
  rested    s1 30 2
place  s2 sell limit  40 5
  rested    s2 40 5
place  b1 buy  market 50 - spend=150
  traded    b1 s1 30 2
  traded    b1 s2 40 2
  filled    b1 released=10

# Nothing more to buy: the rest of the sum goes back, and the order expired.
place  b2 buy  market 50 - spend=500
  traded    b2 s2 40 3
  expired   b2 unfilled released=380

# A sum that buys not even one lot.
place  s3 sell limit  40 1
  rested    s3 40 1
place  b3 buy  market 50 - spend=39
  expired   b3 below_one_lot released=39

# The dearer level is out of its purse, the cheaper one was not: it is filled.
place  s4 sell limit  30 1
  rested    s4 30 1
place  b4 buy  market 50 - spend=60
  traded    b4 s4 30 1
  filled    b4 released=30

# Whole or not at all: the whole sum, but for what buys no lot.
place  s5 sell limit  45 2
  rested    s5 45 2
place  b5 buy  market_fill_or_kill 50 - spend=150
  traded    b5 s3 40 1
  traded    b5 s5 45 2
  filled    b5 released=20
place  b6 buy  market_fill_or_kill 50 - spend=139
  expired   b6 would_not_fill released=139

# Only market buys name a sum, and never with a quantity.
place  s6 sell market 1 - spend=100
  rejected  s6 invalid_order
place  b7 buy  limit  50 - spend=100
  rejected  b7 invalid_order
place  b8 buy  market 50 2 spend=100
  rejected  b8 invalid_order
