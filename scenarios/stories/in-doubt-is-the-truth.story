# Three commands are in doubt. Two slots are taken by the next leader; the third is free, and when its acceptor is asked
# two leaders later, the third takes effect after all. "Failed" would have been a lie (bugs X05 and P11: mofa#1150).
cluster 3
until leader 0
propose w to 0
advance 100ms
forget
cut 0 | 1 2
propose a to 0
propose b to 0
propose c to 0
until leader 2
answers
  a from n0: in doubt
  b from n0: in doubt
  c from n0: in doubt
propose x to 2
advance 100ms
# n0 holds votes for a, b and c at slots 3, 4 and 5 under 1.0; slots 3 and 4 are decided otherwise.
events n2 slot
   1126ms n2 prepares 2.2 from slot 3
   1128ms n2 accepts slot 3 under 2.2
   1129ms n2 accepts slot 4 under 2.2
   1130ms n2 knows slot 3 decided
   1131ms n2 knows slot 4 decided
crash 2 power
mend
until leader
  n1
advance 100ms
events slot 5
   1746ms n1 prepares 3.1 from slot 5
   1748ms n1 accepts slot 5 under 3.1
   1749ms n0 accepts slot 5 under 3.1
   1750ms n1 knows slot 5 decided
   1750ms n1 knows slot 6 decided
   1799ms n0 knows slot 5 decided
show
  n0 follows    promised 3.1   applied: w x c
  n1 leads 3.1  promised 3.1   applied: w x c
  n2 down
retry a to 0
retry b to 0
retry c to 0
advance 100ms
answers
  x from n2: done
  a from n0: not the leader, try n1
  b from n0: not the leader, try n1
  c from n0: not the leader, try n1
show
  n0 follows    promised 3.1   applied: w x c
  n1 leads 3.1  promised 3.1   applied: w x c
  n2 down
