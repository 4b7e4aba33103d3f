# A client's command took effect, the leader died, and the client never heard. It asks the next leader again: the
# command takes effect once, and the answer comes from the replicated session table (bug X02: curvine#676).
cluster 3
until leader 0
propose a to 0
advance 100ms
forget
sever 0 -> c0 for 100ms
propose x to 0
until 0 applied x
advance 60ms
answers
  none
crash 0 power
until leader 2
advance 50ms
retry x to 2
advance 50ms
answers
  x from n2: done
reached a retried command was answered from the session table
# What the state machine holds is what counts.
read from 2
advance 50ms
answers
  read from n2: [a x]
show
  n0 down
  n1 follows    promised 2.2   applied: a x
  n2 leads 2.2  promised 2.2   applied: a x
