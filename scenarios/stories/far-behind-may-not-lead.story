# The only electable majority includes a node that missed more than a window of slots. Were it elected, phase 1 would
# have to carry all of them: its pre-vote is refused, and it catches up first.
cluster 3
until leader 0
propose a to 0
advance 100ms
cut 0 1 | 2
open 40 at 0
advance 50ms
open 40 at 0
advance 50ms
propose b to 0
advance 50ms
crash 0
forget
mend
until leader
  n1
reached a pre-vote was refused to a node far behind
events promises
   1584ms n1 promises 2.1, no votes
   1585ms n2 promises 2.1, no votes
show
  n0 down
  n1 leads 2.1  promised 2.1   applied: a b
  n2 follows    promised 2.1   applied: a b
