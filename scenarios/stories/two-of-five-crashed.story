# Two of five are gone: the rest goes on, through a change of leaders as well.
cluster 5
until leader 0
propose a to 0
advance 100ms
crash 4 power
propose b to 0
advance 100ms
crash 0 power
forget
until leader
  n3
propose c to 3
advance 100ms
answers
  c from n3: done
show
  n0 down
  n1 follows    promised 2.3   applied: a b c
  n2 follows    promised 2.3   applied: a b c
  n3 leads 2.3  promised 2.3   applied: a b c
  n4 down
