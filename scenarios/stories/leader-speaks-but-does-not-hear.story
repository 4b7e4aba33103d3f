# The leader can send and cannot hear. Its followers vote for x, so x is chosen, and are kept from electing another
# leader by its heartbeats. It must step down by itself, and the next leader must find x.
cluster 3
until leader 0
propose a to 0
advance 100ms
forget
sever 1 -> 0 for 2s
sever 2 -> 0 for 2s
propose x to 0
until 2 accepts slot 3
advance 500ms
events gives
    757ms n0 gives up 1.0
answers
  x from n0: in doubt
until leader 2
advance 100ms
events slot 3
   1446ms n2 prepares 2.2 from slot 3
   1448ms n2 accepts slot 3 under 2.2
   1449ms n1 accepts slot 3 under 2.2
   1450ms n2 knows slot 3 decided
   1499ms n1 knows slot 3 decided
show
  n0 follows    promised 1.0   applied: a
  n1 follows    promised 2.2   applied: a x
  n2 leads 2.2  promised 2.2   applied: a x
advance 2s
show
  n0 follows    promised 1.0   applied: a x
  n1 follows    promised 2.2   applied: a x
  n2 leads 2.2  promised 2.2   applied: a x
