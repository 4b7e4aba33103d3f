# A vote is written and its barrier under way when the process dies. The kernel lives, so the next life can read it;
# it makes durable what it read before it speaks of it, and nobody had counted it before.
cluster 3
until leader 0
propose a to 0
advance 100ms
forget
cut 0 1 | 2
disk 1 by 20ms for 200ms
propose x to 0
until 0 accepts slot 3
advance 30ms
answers
  none
crash 1
restart 1
advance 500ms
events
    412ms n0 proposes x at 3 under 1.0
    412ms n0 accepts slot 3 under 1.0
    552ms n1 restarts, promised 1.0, 4 votes
    608ms n1 accepts slot 3 under 1.0
    609ms n0 knows slot 3 decided
    658ms n1 knows slot 3 decided
answers
  x from n0: done
