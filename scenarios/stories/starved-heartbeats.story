# Heartbeats are lost, everything else passes. While clients keep the leader busy, its accepts keep it in office; once
# they fall silent nobody hears it, nor it anybody, and it gives up. Then nobody can hold the office for long until
# heartbeats pass again.
cluster 3
until leader 0
propose a to 0
advance 100ms
forget
starve heartbeat for 5s
propose b to 0
advance 200ms
propose c to 0
advance 200ms
propose d to 0
advance 200ms
propose e to 0
advance 200ms
events gives
  none
answers
  b from n0: done
  c from n0: done
  d from n0: done
  e from n0: done
advance 2s
events leads
   1526ms n1 leads 2.1
   2156ms n0 leads 3.0
   2663ms n1 leads 4.1
# Each term is as short as the patience of its leader; what was decided stays decided.
advance 4s
forget
# Heartbeats pass again: whoever leads now stays.
until leader
  n1
advance 1s
events leads
  none
show
  n0 follows    promised 8.1   applied: a b c d e
  n1 leads 8.1  promised 8.1   applied: a b c d e
  n2 follows    promised 8.1   applied: a b c d e
