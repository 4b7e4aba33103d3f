# The link from the leader to one follower goes up and down every 100 ms. The follower falls behind and catches up, and
# nobody is deposed.
cluster 3
until leader 0
propose a to 0
advance 100ms
forget
flap 0 -> 2 every 100ms for 3s
propose b to 0
advance 70ms
propose c to 0
advance 70ms
propose d to 0
advance 70ms
propose e to 0
advance 300ms
answers
  b from n0: done
  c from n0: done
  d from n0: done
  e from n0: done
events prepares
  none
show
  n0 leads 1.0  promised 1.0   applied: a b c d e
  n1 follows    promised 1.0   applied: a b c d e
  n2 follows    promised 1.0   applied: a b c d e
