# A market opens once, with terms that it can have.
open   fees=10001/0
  declined  - invalid_market
open   tick=0.5
  declined  - invalid_market
open   fees=1/2 band=500 least=10
  market_opened open fees=1/2 band=500 least=10
open   fees=0/0
  declined  - already_open
list_price 0
  declined  - invalid_price
rules  1
  rules_changed 1
tick
  ticked
