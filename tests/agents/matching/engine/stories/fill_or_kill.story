# A fill-or-kill order trades whole or not at all.
place  s1 sell limit        100 5
  rested    s1 100 5
place  b1 buy  fill_or_kill 100 6
  expired   b1 would_not_fill released=600
place  s2 sell limit        101 5
  rested    s2 101 5
place  b2 buy  fill_or_kill 101 6
  traded    b2 s1 100 5 released=5
  traded    b2 s2 101 1

# With nothing in reach it would not fill either.
place  b3 buy  fill_or_kill 99 1
  expired   b3 would_not_fill released=99

# It counts only what the self-trade rule would let it take.
place  s3 sell limit        101 5 user=ann
  rested    s3 101 5
place  b4 buy  fill_or_kill 101 5 user=ann
  expired   b4 would_not_fill released=505
place  b5 buy  fill_or_kill 101 4 user=ann
  traded    b5 s2 101 4
place  s4 sell limit        101 5
  rested    s4 101 5
place  b6 buy  fill_or_kill 101 5 user=ann self_trade=expire_both
  expired   b6 would_not_fill released=505
place  b7 buy  fill_or_kill 101 6 user=ann self_trade=expire_maker
  expired   b7 would_not_fill released=606
place  b8 buy  fill_or_kill 101 5 user=ann self_trade=expire_maker
  expired   s3 self_trade resting released=5
  traded    b8 s4 101 5
