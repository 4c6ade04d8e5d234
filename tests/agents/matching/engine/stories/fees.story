# Fees are taken in the asset received, rounded down: the residue stays with the payer.
open   fees=10/25
  market_opened open fees=10/25 band=0 least=0
place  s1 sell limit 100 5000
  rested    s1 100 5000
place  b1 buy  limit 100 999
  traded    b1 s1 100 999 fees=99/2
place  b2 buy  limit 100 1
  traded    b2 s1 100 1

# New fees hold for the trades after them, also for orders that rest already.
change fees=0/10000
  market_changed open fees=0/10000 band=0 least=0
place  b3 buy  limit 100 10
  traded    b3 s1 100 10 fees=0/10
place  b4 buy  limit 200 5
  traded    b4 s1 100 5 fees=0/5 released=500
change fees=0/10001
  declined  - invalid_market
change fees=-1/0
  declined  - invalid_market
