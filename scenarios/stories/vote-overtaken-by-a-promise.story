# A vote for the old leader is still being written when a higher ballot is promised. The vote becomes durable, and the
# promise reports it; but it is not acknowledged any more (bug S11: neon#2109).
cluster 3
until leader 0
propose a to 0
advance 100ms
forget
disk 1 by 400ms for 700ms
sever 0 -> 2 for 3s
propose x to 0
advance 2500us
# n1 has the accept, and its device takes its time.
crash 0 power
until leader 2
reached a withheld reply was overtaken by a higher promise
advance 100ms
events
    412ms n0 proposes x at 3 under 1.0
    412ms n0 accepts slot 3 under 1.0
   1126ms n2 prepares 2.2 from slot 3
   1126ms n2 promises 2.2, no votes
   1213ms n1 promises 2.2, votes 3@1.0
   1213ms n1 promises 2.2, votes 3@1.0
   1214ms n2 leads 2.2
   1214ms n2 proposes x at 3 under 2.2
   1214ms n2 proposes a no-op at 4 under 2.2
   1215ms n2 accepts slot 3 under 2.2
   1215ms n2 accepts slot 4 under 2.2
   1216ms n1 accepts slot 3 under 2.2
   1216ms n1 accepts slot 4 under 2.2
   1217ms n2 knows slot 3 decided
   1217ms n2 knows slot 4 decided
   1265ms n1 knows slot 3 decided
   1265ms n1 knows slot 4 decided
show
  n0 down
  n1 follows    promised 2.2   applied: a x
  n2 leads 2.2  promised 2.2   applied: a x
