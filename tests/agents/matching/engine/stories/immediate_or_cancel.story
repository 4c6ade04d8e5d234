# An immediate-or-cancel order takes what is there now, and the rest expires.
place  s1 sell limit 100 5
  rested    s1 100 5
place  b1 buy  immediate_or_cancel 100 8
  traded    b1 s1 100 5
  expired   b1 unfilled released=300
place  b2 buy  immediate_or_cancel 100 8
  expired   b2 unfilled released=800
place  b3 buy  limit 99 5
  rested    b3 99 5
place  s2 sell immediate_or_cancel 98 7
  traded    s2 b3 99 5
  expired   s2 unfilled released=2
