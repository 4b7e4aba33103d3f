# The leader's clock stands still: it sends no heartbeat and notices nothing. The others elect a leader, and the old
# one hears of it by message, not by time.
cluster 3
until leader 0
propose a to 0
advance 100ms
forget
freeze 0 for 3s
until leader 2
advance 10ms
events n0
   1127ms n0 gives up 1.0
   1127ms n0 promises 2.2, no votes
   1129ms n0 accepts slot 3 under 2.2
propose b to 2
advance 100ms
answers
  b from n2: done
show
  n0 follows    promised 2.2   applied: a b
  n1 follows    promised 2.2   applied: a b
  n2 leads 2.2  promised 2.2   applied: a b
advance 3s
show
  n0 follows    promised 2.2   applied: a b
  n1 follows    promised 2.2   applied: a b
  n2 leads 2.2  promised 2.2   applied: a b
