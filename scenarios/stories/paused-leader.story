# The leader stands still for two seconds (a long collection, a suspended machine) with a request before its door, and
# wakes as if nothing had happened. It still believes that it leads; but whatever waited before its door is taken in
# before a batch closes, and with it the news: x is not proposed, and its client may safely go elsewhere.
cluster 3
until leader 0
propose a to 0
advance 100ms
forget
pause 0 for 2s
propose x to 0
until leader 2
propose y to 2
advance 100ms
answers
  y from n2: done
show
  n0 leads 1.0  promised 1.0   applied: a
  n1 follows    promised 2.2   applied: a y
  n2 leads 2.2  promised 2.2   applied: a y
forget
advance 2s
events n0
   2411ms n0 gives up 1.0
   2411ms n0 knows slot 3 decided
   2411ms n0 knows slot 4 decided
   2411ms n0 promises 2.2, votes 3@2.2 4@2.2
   2411ms n0 accepts slot 3 under 2.2
   2411ms n0 accepts slot 4 under 2.2
answers
  x from n0: not the leader
show
  n0 follows    promised 2.2   applied: a y
  n1 follows    promised 2.2   applied: a y
  n2 leads 2.2  promised 2.2   applied: a y
