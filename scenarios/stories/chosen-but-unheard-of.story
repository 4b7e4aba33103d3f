# A value is chosen and nobody knows it: a quorum voted, and the leader dies before it hears of it.
# The next leader must propose that very value again ("Paxos Made Simple", section 2.2, P2c; bug P03).
cluster 3
until leader 0
propose a to 0
advance 100ms
forget
propose x to 0
until 1 accepts slot 3
until 2 accepts slot 3
# Here x is chosen. No answer was given, no decision is known.
crash 0 power
events slot 3
    412ms n0 accepts slot 3 under 1.0
    413ms n1 accepts slot 3 under 1.0
    413ms n2 accepts slot 3 under 1.0
answers
  none
until leader 2
advance 100ms
events 3
   1131ms n2 prepares 2.2 from slot 3
   1131ms n2 promises 2.2, votes 3@1.0
   1132ms n1 promises 2.2, votes 3@1.0
   1133ms n2 leads 2.2
   1133ms n2 proposes x at 3 under 2.2
   1133ms n2 proposes a no-op at 4 under 2.2
   1133ms n2 accepts slot 3 under 2.2
   1133ms n2 accepts slot 4 under 2.2
   1134ms n1 accepts slot 3 under 2.2
   1134ms n1 accepts slot 4 under 2.2
   1135ms n2 knows slot 3 decided
   1135ms n2 knows slot 4 decided
   1184ms n1 knows slot 3 decided
reached a new leader proposed a value again that it had heard of
show
  n0 down
  n1 follows    promised 2.2   applied: a x
  n2 leads 2.2  promised 2.2   applied: a x
