# A node dies again while it reads its journal, twice. It comes back with all it promised and voted for.
cluster 3
until leader 0
propose a to 0
propose b to 0
advance 100ms
forget
crash 1 power
restart 1
advance 120us
crash 1 power
restart 1
advance 300us
crash 1
restart 1
advance 200ms
events n1
    412ms n1 restarts, promised 1.0, 4 votes
    458ms n1 knows slot 2 decided
    458ms n1 knows slot 3 decided
show
  n0 leads 1.0  promised 1.0   applied: a b
  n1 follows    promised 1.0   applied: a b
  n2 follows    promised 1.0   applied: a b
