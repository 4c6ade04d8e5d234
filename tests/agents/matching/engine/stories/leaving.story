# A cancel gives back what the order still holds: a buyer's coins, a seller's apples.
place  b1 buy  limit 100 5
  rested    b1 100 5
place  s1 sell limit 100 2
  traded    s1 b1 100 2
cancel b1
  canceled  b1 100 3 released=300
cancel b1
  declined  b1 unknown_order
place  s2 sell limit 105 4
  rested    s2 105 4
cancel s2
  canceled  s2 105 4 released=4

# Somebody else's order is no order.
place  b2 buy  limit 100 5
  rested    b2 100 5
cancel b2 user=eve
  declined  b2 unknown_order
reduce b2 4 user=eve
  declined  b2 unknown_order
reduce b2 4
  reduced   b2 100 4/4 released=100

# All of a user, by rising order id; nobody else's.
place  a1 sell limit 110 1 user=ann
  rested    a1 110 1
place  a2 buy  limit 90 2 user=ann
  rested    a2 90 2
place  a3 sell limit 108 3 user=ann
  rested    a3 108 3
cancel_all ann
  canceled  a1 110 1 released=1
  canceled  a2 90 2 released=180
  canceled  a3 108 3 released=3
  all_canceled ann 3
cancel_all ann
  all_canceled ann 0
