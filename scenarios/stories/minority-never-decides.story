# Leader and one follower are on the small side of a cut. Two votes of five decide nothing, however long they last;
# the other side decides something else at the same slot.
cluster 5
until leader 0
propose a to 0
advance 100ms
forget
drift 0 by -950000000
cut 0 1 | 2 3 4
propose small to 0
advance 500ms
events slot 3
    412ms n0 accepts slot 3 under 1.0
    413ms n1 accepts slot 3 under 1.0
until leader 4
propose large to 4
advance 100ms
answers
  large from n4: done
show
  n0 leads 1.0  promised 1.0   applied: a
  n1 follows    promised 1.0   applied: a
  n2 follows    promised 2.4   applied: a large
  n3 follows    promised 2.4   applied: a large
  n4 leads 2.4  promised 2.4   applied: a large
mend
advance 3s
answers
  small from n0: in doubt
show
  n0 follows    promised 1.0   applied: a large
  n1 follows    promised 1.0   applied: a large
  n2 follows    promised 2.4   applied: a large
  n3 follows    promised 2.4   applied: a large
  n4 leads 2.4  promised 2.4   applied: a large
