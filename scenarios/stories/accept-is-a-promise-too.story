# n1 misses the prepare of the next leader and votes for its accept. From then on it must reject the old leader, though
# it was never asked for a promise (bug P02: cassandra#1327).
cluster 5
until leader 0
propose a to 0
advance 100ms
forget
drift 0 by -950000000
cut 0 | 1 2 3 4
starve prepare to 1 for 2s
until leader 3
advance 20ms
events n1
   1316ms n1 accepts slot 3 under 2.3
# Only the old leader's words reach n1 now.
cut 0 1 | 2 3 4
propose old to 0
advance 10ms
events
   1336ms n0 proposes old at 3 under 1.0
   1336ms n0 accepts slot 3 under 1.0
   1338ms n0 gives up 1.0
answers
  old from n0: in doubt
show
  n0 follows    promised 1.0   applied: a
  n1 follows    promised 2.3   applied: a
  n2 follows    promised 2.3   applied: a
  n3 leads 2.3  promised 2.3   applied: a
  n4 follows    promised 2.3   applied: a
