# The client holds the answer to a and said so, and the table forgot it. A copy of a that comes after that cannot be
# answered, and must not take effect again either.
cluster 3
until leader 0
propose a to 0
advance 50ms
retry a to 0
advance 50ms
propose b to 0 knowing a
advance 50ms
answers
  a from n0: done
  a from n0: done
  b from n0: done
retry a to 0
advance 50ms
answers
  a from n0: stale
# What the state machine holds is what counts.
read from 0
advance 50ms
answers
  read from n0: [a b]
show
  n0 leads 1.0  promised 1.0   applied: a b
  n1 follows    promised 1.0   applied: a b
  n2 follows    promised 1.0   applied: a b
