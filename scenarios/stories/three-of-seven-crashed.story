# Three of seven are gone, the leader among them; four go on.
cluster 7
until leader 0
propose a to 0
advance 100ms
forget
crash 4 power
crash 5 power
propose b to 0
until 0 applied b
crash 0 power
until leader
  n6
propose c to 6
propose d to 3
advance 200ms
answers
  b from n0: done
  d from n3: not the leader, try n6
  c from n6: done
show
  n0 down
  n1 follows    promised 2.6   applied: a b c
  n2 follows    promised 2.6   applied: a b c
  n3 follows    promised 2.6   applied: a b c
  n4 down
  n5 down
  n6 leads 2.6  promised 2.6   applied: a b c
