# At one price, who came first trades first.
place  s1 sell limit 100 2
  rested    s1 100 2
place  s2 sell limit 100 2
  rested    s2 100 2
place  s3 sell limit 100 2
  rested    s3 100 2
place  b1 buy  limit 100 3
  traded    b1 s1 100 2
  traded    b1 s2 100 1

# A partly filled order keeps its place before those who came later.
place  s4 sell limit 100 2
  rested    s4 100 2
place  b2 buy  limit 100 2
  traded    b2 s2 100 1
  traded    b2 s3 100 1

# Who leaves and comes again stands at the end.
cancel s3
  canceled  s3 100 1 released=1
place  s5 sell limit 100 1 user=s3
  rested    s5 100 1
place  b3 buy  limit 100 3
  traded    b3 s4 100 2
  traded    b3 s5 100 1
