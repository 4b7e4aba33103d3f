# A node that is cut off times out again and again. If it raised its ballot each time, it would depose a healthy
# leader on its return. It only asks whether it might (pre-election; Ongaro, section 9.6).
cluster 3
until leader 0
propose a to 0
advance 100ms
forget
cut 0 1 | 2
advance 5s
mend
advance 2s
events prepares
  none
propose b to 0
advance 100ms
show
  n0 leads 1.0  promised 1.0   applied: a b
  n1 follows    promised 1.0   applied: a b
  n2 follows    promised 1.0   applied: a b
