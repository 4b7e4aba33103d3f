# A command comes in a session that is not in the table. It is decided, because only the log knows the table at its
# slot, and takes no effect.
cluster 3
until leader 0
propose a to 0
propose x to 0 as stranger
advance 100ms
answers
  a from n0: done
  x from n0: session unknown
reached a command came for a session that is not in the table
# What the state machine holds is what counts.
read from 0
advance 50ms
answers
  read from n0: [a]
show
  n0 leads 1.0  promised 1.0   applied: a
  n1 follows    promised 1.0   applied: a
  n2 follows    promised 1.0   applied: a
