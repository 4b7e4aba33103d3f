# n1 loses its device. On the one that is put in its place it may not vote: it no longer knows what it promised. It learns
# everything, and is no part of a quorum: when n2 goes too, nothing is decided any more.
cluster 3 snapshots 4
until leader 0
propose a to 0
advance 10ms
propose b to 0
advance 10ms
propose c to 0
advance 100ms
forget
lose 1
restart 1
advance 300ms
events n1
    432ms n1 has lost its memory and only learns
    432ms n1 restarts, promised 0.0, 0 votes
    495ms n1 has a durable snapshot below slot 4
    495ms n1 forgets what is below slot 4
    495ms n1 installs a snapshot below slot 4
    550ms n1 knows slot 4 decided
propose d to 0
advance 200ms
show
  n0 leads 1.0  promised 1.0   applied: a b c d
  n1 follows    promised 0.0   applied: a b c d
  n2 follows    promised 1.0   applied: a b c d
forget
crash 2
propose e to 0
advance 2000ms
events n1
  none
answers
  e from n0: in doubt
show
  n0 follows    promised 1.0   applied: a b c d
  n1 follows    promised 0.0   applied: a b c d
  n2 down
