# n2 asks for the pieces of a snapshot in vain and dies, and so does the peer that it asked. It fetches the snapshot from the
# other one, which stopped at the very same slot.
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
mend
starve piece to 2 for 60ms
advance 80ms
crash 2
crash 0 power
restart 2
until leader 1
until 2 installs
advance 300ms
events n2
    732ms n2 restarts, promised 1.0, 3 votes
   1220ms n2 promises 2.1, no votes
   1222ms n2 accepts slot 8 under 2.1
   1259ms n2 has a durable snapshot below slot 8
   1259ms n2 forgets what is below slot 8
   1259ms n2 installs a snapshot below slot 8
   1272ms n2 knows slot 8 decided
show
  n0 down
  n1 leads 2.1  promised 2.1   applied: a b c d e f
  n2 follows    promised 2.1   applied: a b c d e f
