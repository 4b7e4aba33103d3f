# The client asks the next leader again before that leader has decided the command itself: it proposes the command a
# second time, both are decided, and only the first takes effect (I13).
cluster 3
until leader 0
propose a to 0
advance 100ms
forget
propose x to 0
until 1 accepts slot 3
crash 0 power
until leader 2
retry x to 2
advance 100ms
events proposes x
    412ms n0 proposes x at 3 under 1.0
   1133ms n2 proposes x at 3 under 2.2
   1134ms n2 proposes x at 5 under 2.2
answers
  x from n2: done
reached a command was decided twice and carried out once
# What the state machine holds is what counts.
read from 2
advance 50ms
answers
  read from n2: [a x]
show
  n0 down
  n1 follows    promised 2.2   applied: a x
  n2 leads 2.2  promised 2.2   applied: a x
