# A restart reads the snapshot back, and the votes behind it from the journal; what the snapshot stands in for is gone.
cluster 3 snapshots 4
until leader 0
propose a to 0
advance 10ms
propose b to 0
advance 10ms
propose c to 0
advance 10ms
propose d to 0
advance 100ms
forget
crash 1 power
restart 1
advance 200ms
events n1
    442ms n1 restarts, promised 1.0, 2 votes behind a snapshot below slot 4
    442ms n1 installs a snapshot below slot 4
    458ms n1 knows slot 5 decided
show
  n0 leads 1.0  promised 1.0   applied: a b c d
  n1 follows    promised 1.0   applied: a b c d
  n2 follows    promised 1.0   applied: a b c d
