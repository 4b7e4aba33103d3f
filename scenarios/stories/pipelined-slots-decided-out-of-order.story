# The accepts of slot 3 are lost, those of slot 4 are not: slot 4 is decided first. It must not be applied before
# slot 3, and its client waits (I11).
cluster 3
until leader 0
propose w to 0
advance 100ms
forget
starve accept for 1300us
propose a to 0
advance 500us
propose b to 0
until 0 knows slot 4 decided
reached a slot was decided out of order
show
  n0 leads 1.0  promised 1.0   applied: w
  n1 follows    promised 1.0   applied: w
  n2 follows    promised 1.0   applied: w
answers
  none
# The accept of slot 3 is sent again.
advance 150ms
events n0 knows
    415ms n0 knows slot 4 decided
    489ms n0 knows slot 3 decided
answers
  a from n0: done
  b from n0: done
show
  n0 leads 1.0  promised 1.0   applied: w a b
  n1 follows    promised 1.0   applied: w a b
  n2 follows    promised 1.0   applied: w a b
