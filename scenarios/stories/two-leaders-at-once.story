# Two nodes believe that they lead. The old one is cut off and its slow clock hides that from it.
# Nothing that the old one proposes may be acknowledged; after the cut it is superseded, and its client is told the
# truth: nobody knows ("Paxos Made Simple", section 2.4: several leaders are safe).
cluster 3
until leader 0
propose a to 0
advance 100ms
forget
drift 0 by -950000000
cut 0 | 1 2
propose old to 0
until leader 2
propose new to 2
advance 100ms
# Both lead, and only one of them gets anything done.
show
  n0 leads 1.0  promised 1.0   applied: a
  n1 follows    promised 2.2   applied: a new
  n2 leads 2.2  promised 2.2   applied: a new
answers
  new from n2: done
mend
# The old leader is rejected as soon as it speaks again.
advance 2s
answers
  old from n0: in doubt
events n0 gives
   1279ms n0 gives up 1.0
show
  n0 follows    promised 1.0   applied: a new
  n1 follows    promised 2.2   applied: a new
  n2 leads 2.2  promised 2.2   applied: a new
