# The old leader voted, alone, for more slots than the next leader ever used. It comes back, is elected itself, and its
# own old votes must lose against what was decided meanwhile, though its log is the longer one (bug P11: mofa#1150).
cluster 3
until leader 0
propose w to 0
advance 100ms
forget
cut 0 | 1 2
propose a to 0
propose b to 0
propose c to 0
propose d to 0
until leader 2
propose x to 2
propose y to 2
advance 100ms
mend
# n0 is elected while n2 is down, before it was told anything.
crash 2 power
starve learn to 0 for 3s
starve pre-vote-reply to 1 for 5s
until leader
  n0
advance 1s
events n0 3.0
   2010ms n0 prepares 3.0 from slot 3
   2010ms n0 promises 3.0, votes 3@1.0 4@1.0 5@1.0 6@1.0
   2012ms n0 leads 3.0
   2012ms n0 proposes a no-op at 3 under 3.0
   2012ms n0 proposes x at 4 under 3.0
   2012ms n0 proposes y at 5 under 3.0
   2012ms n0 proposes d at 6 under 3.0
   2012ms n0 proposes a no-op at 7 under 3.0
   2012ms n0 accepts slot 3 under 3.0
   2012ms n0 accepts slot 4 under 3.0
   2012ms n0 accepts slot 5 under 3.0
   2012ms n0 accepts slot 6 under 3.0
   2012ms n0 accepts slot 7 under 3.0
show
  n0 leads 3.0  promised 3.0   applied: w x y d
  n1 follows    promised 3.0   applied: w x y d
  n2 down
# d survived: its slot was free, and its client was told "in doubt".
answers
  a from n0: in doubt
  b from n0: in doubt
  c from n0: in doubt
  d from n0: in doubt
  x from n2: done
  y from n2: done
