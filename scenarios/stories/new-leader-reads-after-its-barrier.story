# The new leader does not know yet that x was decided and acknowledged. If it answered a read now, x would be missing:
# it waits until its own first slot is decided (bug R02: etcd#7331, redisraft#22).
cluster 3
until leader 0
propose a to 0
advance 100ms
propose x to 0
until 0 applied x
advance 1ms
answers
  a from n0: done
  x from n0: done
forget
crash 0 power
until 2 prepares
starve accept for 200ms
until leader 2
read from 2
advance 150ms
# A quorum confirmed its rounds meanwhile, but x is not applied here.
answers
  none
show
  n0 down
  n1 follows    promised 2.2   applied: a
  n2 leads 2.2  promised 2.2   applied: a
# The accepts pass again.
advance 200ms
answers
  read from n2: [a x]
events n2 slot
   1131ms n2 prepares 2.2 from slot 3
   1133ms n2 accepts slot 3 under 2.2
   1133ms n2 accepts slot 4 under 2.2
   1375ms n2 knows slot 3 decided
   1375ms n2 knows slot 4 decided
   1375ms n2 answers a read below slot 5 under 2.2
