# x was decided by n0 and n1 and acknowledged; n0 is gone, and n2 asks for promises from the very slot of x on. A
# promise that reported only the slots behind it would lose x (bug P09: omnipaxos#58).
cluster 3
until leader 0
propose a to 0
advance 100ms
forget
sever 0 -> 2 for 200ms
propose x to 0
until 0 applied x
advance 1ms
answers
  x from n0: done
crash 0 power
until leader 2
advance 100ms
events 2.2
   1126ms n2 prepares 2.2 from slot 3
   1126ms n2 promises 2.2, no votes
   1127ms n1 promises 2.2, votes 3@1.0
   1128ms n2 leads 2.2
   1128ms n2 proposes x at 3 under 2.2
   1128ms n2 proposes a no-op at 4 under 2.2
   1128ms n2 accepts slot 3 under 2.2
   1128ms n2 accepts slot 4 under 2.2
   1129ms n1 accepts slot 3 under 2.2
   1129ms n1 accepts slot 4 under 2.2
show
  n0 down
  n1 follows    promised 2.2   applied: a x
  n2 leads 2.2  promised 2.2   applied: a x
