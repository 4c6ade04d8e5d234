# Commands may be sent again. A number that was seen does nothing.
place  s1 sell limit 100 5
  rested    s1 100 5
repeat
  ignored
place  b1 buy  limit 100 2
  traded    b1 s1 100 2
repeat
  ignored

# One more than 262,144 ahead is put aside and stays undecided; as far as that may be.
place  b2 buy  limit 100 1 number=262148
  parked    262148
place  b3 buy  limit 100 1 number=262147
  traded    b3 s1 100 1

# A number may come late, but not more than 262,143 behind the highest.
place  b4 buy  limit 100 1 number=4
  traded    b4 s1 100 1
place  b5 buy  limit 100 1 number=3
  rejected  b5 too_late
place  b6 buy  limit 50 1 number=4
  ignored
cancel b6 number=2
  declined  b6 too_late
