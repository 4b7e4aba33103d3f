# A quorum of one: the node waits for its own disk and for nobody else, and keeps its word over a power loss.
cluster 1
until leader 0
propose a to 0
until 0 proposes a
answers
  none
advance 5ms
answers
  a from n0: done
crash 0 power
restart 0
until leader 0
advance 50ms
events leads
    303ms n0 leads 1.0
    615ms n0 leads 2.0
read from 0
advance 50ms
answers
  read from n0: [a]
