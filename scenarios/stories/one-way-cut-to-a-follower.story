# n2 does not hear the leader, but everybody hears n2. Those who hear the leader refuse their vote, so n2 cannot
# depose a leader that works for the rest.
cluster 3
until leader 0
propose a to 0
advance 100ms
forget
sever 0 -> 2 for 3s
advance 2s
propose b to 0
advance 100ms
answers
  b from n0: done
show
  n0 leads 1.0  promised 1.0   applied: a b
  n1 follows    promised 1.0   applied: a b
  n2 follows    promised 1.0   applied: a
advance 1s
# n2 hears the leader again and learns what it missed.
events prepares
  none
show
  n0 leads 1.0  promised 1.0   applied: a b
  n1 follows    promised 1.0   applied: a b
  n2 follows    promised 1.0   applied: a b
