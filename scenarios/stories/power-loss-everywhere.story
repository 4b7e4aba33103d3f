# The power fails at all nodes at once. What was acknowledged is kept, because a quorum had it durably; what was not
# may be kept or lost, and nobody was told otherwise.
cluster 3
until leader 0
propose a to 0
propose b to 0
advance 10ms
answers
  a from n0: done
  b from n0: done
forget
propose c to 0
advance 1100us
crash 0 power
crash 1 power
crash 2 power
show
  n0 down
  n1 down
  n2 down
restart 0
restart 1
restart 2
until leader
  n1
advance 100ms
events restarts
    323ms n2 restarts, promised 1.0, 4 votes
    323ms n1 restarts, promised 1.0, 4 votes
    323ms n0 restarts, promised 1.0, 5 votes
answers
  none
show
  n0 follows    promised 2.1   applied: a b c
  n1 leads 2.1  promised 2.1   applied: a b c
  n2 follows    promised 2.1   applied: a b c
