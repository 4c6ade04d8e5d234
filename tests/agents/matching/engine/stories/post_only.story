# A post-only order may only rest. It is decided against the best opposite price, whoever owns it.
place  s1 sell limit     100 5
  rested    s1 100 5
place  b1 buy  post_only 100 1
  rejected  b1 would_take
place  b2 buy  post_only 101 1
  rejected  b2 would_take
place  b3 buy  post_only 99 1
  rested    b3 99 1
place  s2 sell post_only 99 1
  rejected  s2 would_take
place  b4 buy  post_only 100 1 user=s1
  rejected  b4 would_take
place  b5 buy  post_only 100 1 user=s1 self_trade=expire_maker
  rejected  b5 would_take
