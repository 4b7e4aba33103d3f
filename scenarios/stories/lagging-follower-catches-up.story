# A follower misses decisions and comes back. The leader never sends those accepts again, because a quorum has
# answered: the follower must ask by itself (bug L01: omnipaxos#101).
cluster 3
until leader 0
propose a to 0
advance 100ms
cut 0 1 | 2
propose b to 0
propose c to 0
propose d to 0
advance 100ms
forget
show
  n0 leads 1.0  promised 1.0   applied: a b c d
  n1 follows    promised 1.0   applied: a b c d
  n2 follows    promised 1.0   applied: a
mend
advance 100ms
events n2
    590ms n2 knows slot 3 decided
    590ms n2 knows slot 4 decided
    590ms n2 knows slot 5 decided
reached a replica asked to catch up
reached a replica learned a value that it had not voted for in time
show
  n0 leads 1.0  promised 1.0   applied: a b c d
  n1 follows    promised 1.0   applied: a b c d
  n2 follows    promised 1.0   applied: a b c d
