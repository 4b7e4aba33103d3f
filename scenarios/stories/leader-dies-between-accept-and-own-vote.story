# The leader's accepts leave before its own vote is written, and it dies right there. The followers are a quorum
# without it: x is chosen, by everyone but its proposer (bug class of crashes inside a turn).
cluster 3
until leader 0
propose a to 0
advance 100ms
forget
crash 0 power after 1
propose x to 0
until 2 accepts slot 3
restart 0
advance 5ms
# Its own vote is missing from what it finds: slots 0 to 2 only.
events
    412ms n0 proposes x at 3 under 1.0
    413ms n1 accepts slot 3 under 1.0
    413ms n2 accepts slot 3 under 1.0
    414ms n0 restarts, promised 1.0, 3 votes
until leader
  n1
advance 100ms
events slot 3
    924ms n1 prepares 2.1 from slot 3
    926ms n1 accepts slot 3 under 2.1
    927ms n0 accepts slot 3 under 2.1
    927ms n2 accepts slot 3 under 2.1
    928ms n1 knows slot 3 decided
    977ms n0 knows slot 3 decided
    977ms n2 knows slot 3 decided
show
  n0 follows    promised 2.1   applied: a x
  n1 leads 2.1  promised 2.1   applied: a x
  n2 follows    promised 2.1   applied: a x
