# A band keeps limit prices near the last trade, else near the house's price; before either there is nothing to measure from.
open   band=1000
  market_opened open fees=0/0 band=1000 least=0
place  s0 sell limit 500 1
  rested    s0 500 1
cancel s0
  canceled  s0 500 1 released=1
list_price 100
  price_listed 100
place  b1 buy  limit 111 1
  rejected  b1 outside_band
place  b2 buy  limit 110 1
  rested    b2 110 1
place  s1 sell limit 89 1
  rejected  s1 outside_band
place  s2 sell limit 110 1
  traded    s2 b2 110 1
place  b3 buy  limit 121 1
  rested    b3 121 1
place  b4 buy  limit 122 1
  rejected  b4 outside_band
place  s3 sell limit 99 1
  traded    s3 b3 121 1
place  s4 sell limit 98 1
  rejected  s4 outside_band

# The band does not refuse a market order, it narrows how far it may reach.
place  s5 sell limit 120 1
  rested    s5 120 1
place  s6 sell limit 130 1 user=s6
  rested    s6 130 1
change band=0
  market_changed open fees=0/0 band=0 least=0
place  s7 sell limit 134 1
  rested    s7 134 1
change band=1000
  market_changed open fees=0/0 band=1000 least=0
place  b5 buy  market 140 5
  traded    b5 s5 120 1 released=20
  traded    b5 s6 130 1 released=10
  expired   b5 unfilled released=420
