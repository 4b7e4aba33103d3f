# The leader's commit index says "slot 3 is decided"; a follower holds a vote at slot 3, of an older ballot and for
# another value. It must not take its own vote for the decision (bug P08: scylladb#9965, copycat#265).
cluster 3
until leader 0
propose a to 0
advance 100ms
forget
# Only n0 votes for old at slot 3.
cut 0 | 1 2
propose old to 0
until leader 2
propose new to 2
advance 100ms
events n2 knows
   1130ms n2 knows slot 3 decided
   1131ms n2 knows slot 4 decided
# n0 hears the commit index before it has any value from the new leader: catching up is starved.
starve learn for 500ms
mend
advance 400ms
events n0
  none
show
  n0 follows    promised 1.0   applied: a
  n1 follows    promised 2.2   applied: a new
  n2 leads 2.2  promised 2.2   applied: a new
# Only when the values themselves may pass does it apply anything.
advance 500ms
events n0
   1731ms n0 knows slot 3 decided
   1731ms n0 knows slot 4 decided
reached a replica learned a value that it had not voted for in time
show
  n0 follows    promised 1.0   applied: a new
  n1 follows    promised 2.2   applied: a new
  n2 leads 2.2  promised 2.2   applied: a new
