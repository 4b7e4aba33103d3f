# Wall clocks jump by years. Leadership and reads use no wall clock: nothing happens (bug R01: tikv#964).
cluster 3
until leader 0
propose a to 0
advance 100ms
forget
step 0 by -100000000s
step 1 by 100000000s
propose b to 0
read from 0
advance 1s
crash 0
until leader 2
step 2 by -1000000000s
propose c to 2
advance 100ms
read from 2
advance 100ms
answers
  read from n0: [a]
  b from n0: done
  c from n2: done
  read from n2: [a b c]
events leads
   2128ms n2 leads 2.2
show
  n0 down
  n1 follows    promised 2.2   applied: a b c
  n2 leads 2.2  promised 2.2   applied: a b c
