# Post-only: orders that may only rest come in, nothing else.
place  s1 sell limit     100 5
  rested    s1 100 5
place  s2 sell limit     101 5
  rested    s2 101 5
list_price 100
  price_listed 100
change status=post_only
  market_changed post_only fees=0/0 band=0 least=0
place  b1 buy  limit     90 1
  rejected  b1 market_post_only
place  b2 buy  post_only 90 1
  rested    b2 90 1
purchase p1 100 1
  rejected  p1 market_post_only
reduce s1 4
  reduced   s1 100 4/4 released=1
cancel b2
  canceled  b2 90 1 released=90

# Cancel-only: nothing comes in.
change status=cancel_only
  market_changed cancel_only fees=0/0 band=0 least=0
place  b3 buy  post_only 90 1
  rejected  b3 market_cancel_only
purchase p2 100 1
  rejected  p2 market_cancel_only
reduce s1 3
  reduced   s1 100 3/3 released=1
cancel s1
  canceled  s1 100 3 released=3

# Halted: nothing moves at all, but the terms.
change status=halted
  market_changed halted fees=0/0 band=0 least=0
place  b4 buy  limit     90 1
  rejected  b4 market_halted
cancel s2
  declined  s2 market_halted
reduce s2 1
  declined  s2 market_halted
cancel_all s2
  declined  - market_halted
list_price 99
  price_listed 99
change status=open
  market_changed open fees=0/0 band=0 least=0
cancel s2
  canceled  s2 101 5 released=5
