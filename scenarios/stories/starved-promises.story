# Promises are lost for two seconds: nobody becomes leader, ballots rise, nothing is decided. Then somebody does.
cluster 3
starve promise for 2s
advance 2s
events prepares
    305ms n0 prepares 1.0 from slot 0
    609ms n0 prepares 2.0 from slot 0
    914ms n0 prepares 3.0 from slot 0
   1220ms n0 prepares 4.0 from slot 0
   1534ms n0 prepares 5.0 from slot 0
   1850ms n0 prepares 6.0 from slot 0
until leader
  n0
advance 100ms
propose a to 0
advance 100ms
show
  n0 leads 6.0  promised 6.0   applied: a
  n1 follows    promised 6.0   applied: a
  n2 follows    promised 6.0   applied: a
