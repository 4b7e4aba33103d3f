# A value was voted for by one acceptor only, and this one is away when the next leader asks.
# Its slot is free, another value is decided there. The vote comes back with its acceptor and must not count.
cluster 3
until leader 0
propose a to 0
advance 100ms
forget
sever 0 -> 2 for 100ms
crash 0 power after 1
propose x to 0
until 1 accepts slot 3
crash 1 power
restart 0
until leader 2
propose y to 2
advance 100ms
events slot 3
    413ms n1 accepts slot 3 under 1.0
   1126ms n2 prepares 2.2 from slot 3
   1128ms n2 accepts slot 3 under 2.2
   1129ms n0 accepts slot 3 under 2.2
   1130ms n2 knows slot 3 decided
   1130ms n0 accepts slot 4 under 2.2
   1131ms n2 knows slot 4 decided
   1179ms n0 knows slot 3 decided
# n1 returns with its vote for x at slot 3 under 1.0.
restart 1
advance 500ms
events n1
   1228ms n1 restarts, promised 1.0, 4 votes
   1261ms n1 knows slot 3 decided
   1261ms n1 knows slot 4 decided
show
  n0 follows    promised 2.2   applied: a y
  n1 follows    promised 1.0   applied: a y
  n2 leads 2.2  promised 2.2   applied: a y
# The client may still ask again, and x takes effect, later.
retry x to 2
advance 100ms
show
  n0 follows    promised 2.2   applied: a y x
  n1 follows    promised 2.2   applied: a y x
  n2 leads 2.2  promised 2.2   applied: a y x
