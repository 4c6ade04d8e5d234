# The house sells at its listed price, without a fee and outside the book.
open   fees=50/50
  market_opened open fees=50/50 band=0 least=0
purchase p1 20 3
  rejected  p1 no_price
list_price 20
  price_listed 20
purchase p2 20 3
  house_filled p2 20 3

# Cheaper than it was shown: the difference goes back. Dearer: the price has changed, and nothing happens.
list_price 18
  price_listed 18
purchase p3 20 3
  house_filled p3 18 3 released=6
list_price 21
  price_listed 21
purchase p4 20 3
  rejected  p4 price_changed

purchase p5 21 0
  rejected  p5 invalid_amount
purchase p6 0 3
  rejected  p6 invalid_price
purchase p7 21 3 hold=62
  rejected  p7 hold_mismatch

# A house sale is no trade of the book: the book's last price is still unknown, so the band measures from the house.
change band=1000
  market_changed open fees=50/50 band=1000 least=0
place  b1 buy  limit 30 1
  rejected  b1 outside_band
place  b2 buy  limit 23 1
  rested    b2 23 1
