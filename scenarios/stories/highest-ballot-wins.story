# Two promises report different values for one slot: n0 voted for a under 1.0, n2 for a no-op under 2.2, each alone.
# Only the higher ballot's can have been chosen unseen, so it is proposed ("Paxos Made Simple", section 2.2, P2c).
cluster 3
until leader 0
propose w to 0
advance 100ms
forget
starve accept for 50ms
propose a to 0
until 0 accepts slot 3
crash 0 power
# n2 takes office, and its first accepts are lost too.
until 2 prepares
starve accept for 50ms
until 2 accepts slot 3
crash 2 power
crash 1 power
restart 0
restart 2
forget
until leader
  n0
advance 100ms
events
   1129ms n2 restarts, promised 2.2, 4 votes
   1129ms n0 restarts, promised 1.0, 4 votes
   1754ms n0 prepares 3.0 from slot 3
   1754ms n0 promises 3.0, votes 3@1.0
   1755ms n2 promises 3.0, votes 3@2.2
   1756ms n0 leads 3.0
   1756ms n0 proposes a no-op at 3 under 3.0
   1756ms n0 proposes a no-op at 4 under 3.0
   1756ms n0 accepts slot 3 under 3.0
   1756ms n0 accepts slot 4 under 3.0
   1757ms n2 accepts slot 3 under 3.0
   1757ms n2 accepts slot 4 under 3.0
   1758ms n0 knows slot 3 decided
   1758ms n0 knows slot 4 decided
   1807ms n2 knows slot 3 decided
   1807ms n2 knows slot 4 decided
show
  n0 leads 3.0  promised 3.0   applied: w
  n1 down
  n2 follows    promised 3.0   applied: w
# n1, which voted for neither, learns.
restart 1
advance 500ms
retry a to 0
advance 100ms
answers
  a from n0: done
show
  n0 leads 3.0  promised 3.0   applied: w a
  n1 follows    promised 3.0   applied: w a
  n2 follows    promised 3.0   applied: w a
