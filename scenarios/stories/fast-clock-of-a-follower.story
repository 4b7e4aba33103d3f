# A follower's clock runs twenty times too fast: a leader's silence of 40 ms is an election timeout to it. It asks for
# votes all the time and gets none, because the others hear the leader.
cluster 3
until leader 0
propose a to 0
advance 100ms
forget
drift 2 by 19000000000
advance 2s
propose b to 0
advance 100ms
answers
  b from n0: done
events prepares
  none
show
  n0 leads 1.0  promised 1.0   applied: a b
  n1 follows    promised 1.0   applied: a b
  n2 follows    promised 1.0   applied: a b
