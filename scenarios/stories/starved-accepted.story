# The votes' acknowledgements are lost. The acceptors have voted and the leader cannot know: it asks again, they answer
# again, and the command takes effect once (bug L01 in the other direction).
cluster 3
until leader 0
propose a to 0
advance 100ms
forget
starve accepted for 300ms
propose x to 0
advance 250ms
events
    412ms n0 proposes x at 3 under 1.0
    412ms n0 accepts slot 3 under 1.0
    413ms n1 accepts slot 3 under 1.0
    413ms n2 accepts slot 3 under 1.0
    488ms n1 accepts slot 3 under 1.0
    488ms n2 accepts slot 3 under 1.0
    548ms n1 accepts slot 3 under 1.0
    548ms n2 accepts slot 3 under 1.0
    608ms n1 accepts slot 3 under 1.0
    608ms n2 accepts slot 3 under 1.0
answers
  none
show
  n0 leads 1.0  promised 1.0   applied: a
  n1 follows    promised 1.0   applied: a
  n2 follows    promised 1.0   applied: a
advance 150ms
reached an accept was sent again
answers
  x from n0: done
show
  n0 leads 1.0  promised 1.0   applied: a x
  n1 follows    promised 1.0   applied: a x
  n2 follows    promised 1.0   applied: a x
