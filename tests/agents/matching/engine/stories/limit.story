# A limit order trades with what is at its price or better, best price first; the rest of it waits.
place  s1 sell limit 101 5
  rested    s1 101 5
place  s2 sell limit 100 3
  rested    s2 100 3
place  s3 sell limit 102 9
  rested    s3 102 9
place  b1 buy  limit 101 10
  traded    b1 s2 100 3 released=3
  traded    b1 s1 101 5
  rested    b1 101 2

# The buyer was ready to pay 101 and bought 3 at 100: 3 coins of his hold went back at once.

# What rests of him is the best bid now, and a seller at any lower price gets his price.
place  s4 sell limit 90 4
  traded    s4 b1 101 2
  rested    s4 90 2

# Sells and buys are one code: the same the other way round.
place  b2 buy  limit 95 5
  traded    b2 s4 90 2 released=10
  rested    b2 95 3
place  b3 buy  limit 96 3
  rested    b3 96 3
place  s5 sell limit 95 10
  traded    s5 b3 96 3
  traded    s5 b2 95 3
  rested    s5 95 4
