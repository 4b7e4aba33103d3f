# A client asks twice before the first answer can be there. The command is in flight in two slots at once and takes
# effect in one; both questions get the same answer.
cluster 3
until leader 0
propose a to 0
advance 100ms
forget
propose x to 0
retry x to 0
advance 100ms
events proposes x
    412ms n0 proposes x at 3 under 1.0
    412ms n0 proposes x at 4 under 1.0
answers
  x from n0: done
  x from n0: done
reached two proposals were in flight at once
reached a command was decided twice and carried out once
# What the state machine holds is what counts.
read from 0
advance 50ms
answers
  read from n0: [a x]
show
  n0 leads 1.0  promised 1.0   applied: a x
  n1 follows    promised 1.0   applied: a x
  n2 follows    promised 1.0   applied: a x
