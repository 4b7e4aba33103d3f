# A leader that reaches no quorum steps down by itself: its clients shall look elsewhere.
cluster 3
until leader 0
propose a to 0
advance 100ms
forget
cut 0 | 1 2
propose x to 0
advance 400ms
reached a leader out of reach of a quorum stepped down
events gives
    757ms n0 gives up 1.0
answers
  x from n0: in doubt
retry x to 0
advance 50ms
answers
  x from n0: not the leader
until leader
  n2
retry x to 2
advance 100ms
answers
  x from n2: done
show
  n0 follows    promised 1.0   applied: a
  n1 follows    promised 2.2   applied: a x
  n2 leads 2.2  promised 2.2   applied: a x
