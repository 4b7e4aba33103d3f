# n2 misses so much that the others have forgotten it: a snapshot stands in for it. n2 fetches that snapshot, and what
# came after it from the log.
cluster 3 snapshots 4
until leader 0
propose a to 0
advance 100ms
cut 0 1 | 2
propose b to 0
advance 10ms
propose c to 0
advance 10ms
propose d to 0
advance 10ms
propose e to 0
advance 10ms
propose f to 0
advance 200ms
forget
events snapshot
  none
mend
until 2 installs
advance 200ms
events n2
    695ms n2 has a durable snapshot below slot 8
    695ms n2 forgets what is below slot 8
    695ms n2 installs a snapshot below slot 8
reached a replica handed out a piece of its snapshot
reached a replica installed the snapshot of a peer
show
  n0 leads 1.0  promised 1.0   applied: a b c d e f
  n1 follows    promised 1.0   applied: a b c d e f
  n2 follows    promised 1.0   applied: a b c d e f
