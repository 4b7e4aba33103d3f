# A value was voted for by one acceptor only, so it is not chosen. The new leader cannot tell and proposes it again:
# that is fine, as long as it is not lost after all.
cluster 3
until leader 0
propose a to 0
advance 100ms
forget
# The leader dies in the turn that proposes: the accept left for n1, its own vote was not even written.
sever 0 -> 2 for 100ms
crash 0 power after 1
propose x to 0
until 1 accepts slot 3
show
  n0 down
  n1 follows    promised 1.0   applied: a
  n2 follows    promised 1.0   applied: a
until leader 2
advance 100ms
events 3
    412ms n0 proposes x at 3 under 1.0
    413ms n1 accepts slot 3 under 1.0
   1126ms n2 prepares 2.2 from slot 3
   1127ms n1 promises 2.2, votes 3@1.0
   1128ms n2 proposes x at 3 under 2.2
   1128ms n2 accepts slot 3 under 2.2
   1129ms n1 accepts slot 3 under 2.2
   1130ms n2 knows slot 3 decided
   1130ms n2 knows slot 4 decided
   1179ms n1 knows slot 3 decided
# The old leader knew nothing of its own proposal and learns it like everyone else.
restart 0
advance 1s
events n0 restarts
   1228ms n0 restarts, promised 1.0, 3 votes
show
  n0 follows    promised 1.0   applied: a x
  n1 follows    promised 2.2   applied: a x
  n2 leads 2.2  promised 2.2   applied: a x
