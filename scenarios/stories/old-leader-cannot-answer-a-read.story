# The old leader is cut off with a client beside it, and its slow clock hides that from it. If it answered the read
# from its own state, the client would miss what is decided on the other side: no quorum confirms its round, so it
# cannot answer (Ongaro, section 6.4; I16).
cluster 3
until leader 0
propose a to 0
advance 100ms
forget
drift 0 by -950000000
cut 0 | 1 2
until leader 2
propose b to 2
advance 100ms
read from 0
read from 2
advance 100ms
answers
  b from n2: done
  read from n2: [a b]
show
  n0 leads 1.0  promised 1.0   applied: a
  n1 follows    promised 2.2   applied: a b
  n2 leads 2.2  promised 2.2   applied: a b
mend
advance 2s
answers
  read from n0: not the leader
