# A smaller order keeps its place in the queue, and gives back what it needs no more. The number is the new total.
place  s1 sell limit 100 5
  rested    s1 100 5
place  s2 sell limit 100 5
  rested    s2 100 5
place  b1 buy  limit 100 2
  traded    b1 s1 100 2
reduce s1 4
  reduced   s1 100 2/4 released=1
place  b2 buy  limit 100 3
  traded    b2 s1 100 2
  traded    b2 s2 100 1

# Not to what is filled or below, and not to the same or more.
place  b3 buy  limit 100 2
  traded    b3 s2 100 2
reduce s2 3
  declined  s2 not_above_filled
reduce s2 2
  declined  s2 not_above_filled
reduce s2 5
  declined  s2 not_smaller
reduce s2 9
  declined  s2 not_smaller
reduce s2 4
  reduced   s2 100 1/4 released=1
cancel s2
  canceled  s2 100 1 released=1

# A buyer gets coins back.
place  b4 buy  limit 50 10
  rested    b4 50 10
reduce b4 1
  reduced   b4 50 1/1 released=450
