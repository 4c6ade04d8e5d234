# What makes no sense is refused, one reason at a time, the first that applies.
open   least=100
  market_opened open fees=0/0 band=0 least=100
place  b1 buy  limit 0 5
  rejected  b1 invalid_price
place  b2 buy  limit - 5
  rejected  b2 invalid_price
place  b3 buy  limit 100 0
  rejected  b3 invalid_amount
place  b4 buy  limit 100 -1
  rejected  b4 invalid_amount
place  b5 buy  limit 100 -
  rejected  b5 invalid_order
place  b6 buy  limit 99 1
  rejected  b6 below_min_notional
place  b7 buy  limit 100 1 hold=99
  rejected  b7 hold_mismatch
place  b8 buy  limit 100 1 hold=101
  rejected  b8 hold_mismatch
place  b9 buy  limit 1152921504606846976 1
  rejected  b9 invalid_price
place  bA buy  limit 1152921504606846975 5
  rejected  bA too_large
place  sA sell limit 1 4611686018427387905
  rejected  sA too_large
place  bB buy  limit 100 1
  rested    bB 100 1
place  bB buy  limit 100 1
  rejected  bB duplicate_order

# Zero lots at no price with the wrong hold: the amount comes first.
place  bC buy  limit - 0 hold=7
  rejected  bC invalid_amount
