# An accept is sent again and arrives when the follower has voted for later slots already. It must not cut them off:
# they may be chosen, as here (bug P10: akka-entity-replication#152, old-raft-rs#113).
cluster 3
until leader 0
propose w to 0
advance 100ms
forget
# n2 hears nothing; n1 hears the leader, which does not hear n1.
sever 0 -> 2 for 300ms
sever 1 -> 0 for 300ms
propose a to 0
advance 30ms
propose b to 0
propose c to 0
advance 50ms
reached an accept was sent again
# n1 answered for slot 3 a second time, and holds 4 and 5 still.
crash 0 power
events n1
    413ms n1 accepts slot 3 under 1.0
    443ms n1 accepts slot 4 under 1.0
    444ms n1 accepts slot 5 under 1.0
    488ms n1 accepts slot 3 under 1.0
until leader 2
advance 100ms
events promises
   1126ms n2 promises 2.2, no votes
   1127ms n1 promises 2.2, votes 3@1.0 4@1.0 5@1.0
show
  n0 down
  n1 follows    promised 2.2   applied: w a b c
  n2 leads 2.2  promised 2.2   applied: w a b c
