# A vote is written and its barrier under way when the power fails. It may be gone. Nobody counted it; the leader asks
# again, and only then the client is answered (bug S01, for votes).
cluster 3 seed 3
until leader 0
propose a to 0
advance 100ms
forget
cut 0 1 | 2
disk 1 by 20ms for 200ms
propose x to 0
until 0 accepts slot 3
advance 5ms
answers
  none
crash 1 power
restart 1
advance 500ms
events
    411ms n0 proposes x at 3 under 1.0
    412ms n0 accepts slot 3 under 1.0
    532ms n1 restarts, promised 1.0, 3 votes
    547ms n1 knows slot 2 decided
    587ms n1 accepts slot 3 under 1.0
    588ms n0 knows slot 3 decided
    607ms n1 knows slot 3 decided
answers
  x from n0: done
