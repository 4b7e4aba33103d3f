# Only the answer is lost; the client asks the same leader again and is answered from the session table, without
# another proposal.
cluster 3
until leader 0
propose a to 0
advance 100ms
forget
sever 0 -> c0 for 50ms
propose x to 0
advance 60ms
answers
  none
retry x to 0
advance 50ms
answers
  x from n0: done
events proposes
    412ms n0 proposes x at 3 under 1.0
reached a retried command was answered from the session table
read from 0
advance 50ms
answers
  read from n0: [a x]
