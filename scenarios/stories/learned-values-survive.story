# n2 never voted for b: it learned it. The leader forgets a slot once every voter holds it durably, so what was learned
# must be as durable as a vote, or it would be held by fewer than everybody believed.
cluster 3
until leader 0
propose a to 0
advance 100ms
cut 0 1 | 2
propose b to 0
advance 50ms
mend
until 2 knows slot 3 decided
# One more write, so that n2's device knows how far the log is decided.
propose c to 0
advance 100ms
forget
crash 0 power
crash 1 power
crash 2 power
restart 2
advance 100ms
# All alone, it knows a and b. It voted for c, and cannot know.
show
  n0 down
  n1 down
  n2 follows    promised 1.0   applied: a b
restart 0
restart 1
until leader
  n0
advance 500ms
show
  n0 leads 2.0  promised 2.0   applied: a b c
  n1 follows    promised 2.0   applied: a b c
  n2 follows    promised 2.0   applied: a b c
