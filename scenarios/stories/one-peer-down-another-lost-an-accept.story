# One peer is down for good and another lost an accept once. The leader sends the accept again to both, not only to
# the first in line: the value is decided by the leader and the second.
cluster 3
until leader 0
propose a to 0
advance 100ms
forget
crash 1
starve accept to 2 for 5ms
propose x to 0
advance 200ms
reached an accept was sent again
events
    412ms n0 proposes x at 3 under 1.0
    412ms n0 accepts slot 3 under 1.0
    488ms n2 accepts slot 3 under 1.0
    489ms n0 knows slot 3 decided
    508ms n2 knows slot 3 decided
answers
  x from n0: done
show
  n0 leads 1.0  promised 1.0   applied: a x
  n1 down
  n2 follows    promised 1.0   applied: a x
