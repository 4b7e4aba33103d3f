# n1 promised 2.2 and the power fails there. The old leader, whose slow clock hides from it what happened, asks the next
# life for a vote under 1.0. A promise that was forgotten would let it decide what n2's quorum never heard of (bug S01:
# robustmq#2039).
cluster 3
until leader 0
propose a to 0
advance 100ms
forget
drift 0 by -950000000
cut 0 | 1 2
until leader 2
crash 1 power
# From now on n1 hears the old leader only.
cut 0 1 | 2
restart 1
propose old to 0
advance 20ms
events
   1126ms n2 prepares 2.2 from slot 3
   1126ms n2 promises 2.2, no votes
   1127ms n1 promises 2.2, no votes
   1128ms n2 leads 2.2
   1128ms n2 proposes a no-op at 3 under 2.2
   1128ms n2 accepts slot 3 under 2.2
   1128ms n1 restarts, promised 2.2, 3 votes
   1129ms n0 proposes old at 3 under 1.0
   1129ms n0 accepts slot 3 under 1.0
   1131ms n0 gives up 1.0
answers
  old from n0: in doubt
show
  n0 follows    promised 1.0   applied: a
  n1 follows    promised 2.2   applied: a
  n2 leads 2.2  promised 2.2   applied: a
