# Nobody trades with himself. Expire the taker: it stops at the first own order, and its rest expires.
place  s1 sell limit 100 2
  rested    s1 100 2
place  s2 sell limit 100 2 user=ann
  rested    s2 100 2
place  s3 sell limit 100 2
  rested    s3 100 2
place  b1 buy  limit 100 6 user=ann
  traded    b1 s1 100 2
  expired   b1 self_trade released=400

# Expire the maker: own orders go, and it trades on.
place  b2 buy  limit 100 3 user=ann self_trade=expire_maker
  expired   s2 self_trade resting released=2
  traded    b2 s3 100 2
  rested    b2 100 1

# Expire both: it stops there, and the own order goes too.
cancel b2 user=ann
  canceled  b2 100 1 released=100
place  s4 sell limit 100 2 user=ann
  rested    s4 100 2
place  s5 sell limit 100 2
  rested    s5 100 2
place  b3 buy  limit 100 4 user=ann self_trade=expire_both
  expired   s4 self_trade resting released=2
  expired   b3 self_trade released=400
place  b4 buy  limit 100 1
  traded    b4 s5 100 1

# Who has enough before he meets himself has met nobody.
place  s6 sell limit 101 1
  rested    s6 101 1
place  s7 sell limit 101 2 user=ann
  rested    s7 101 2
place  b5 buy  limit 101 1 user=ann self_trade=expire_both
  traded    b5 s5 100 1 released=1
cancel s7 user=ann
  canceled  s7 101 2 released=2
