# The table is full and the session unused for longest goes. Its client asks again for a command that took effect: the
# table cannot know any more, and the command must not take effect a second time. The client is told so (I13, I18).
cluster 3
until leader 0
propose a to 0
advance 100ms
answers
  a from n0: done
open 1024 at 0
advance 200ms
retry a to 0
advance 100ms
answers
  a from n0: session unknown
reached a command came for a session that is not in the table
# What the state machine holds is what counts.
read from 0
advance 50ms
answers
  read from n0: [a]
show
  n0 leads 1.0  promised 1.0   applied: a
  n1 follows    promised 1.0   applied: a
  n2 follows    promised 1.0   applied: a
