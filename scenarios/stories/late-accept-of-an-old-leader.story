# An accept of the old leader was held up in the network, and arrives after the next leader decided something else in
# that slot. The acceptor promised a higher ballot and must reject it ("Paxos Made Simple", section 2.2; bug P01).
cluster 3
until leader 0
propose a to 0
advance 100ms
forget
clog 0 -> 1 for 2s
clog 0 -> 2 for 2s
propose late to 0
until 0 proposes late
crash 0 power
until leader 2
propose new to 2
advance 100ms
events 3
    412ms n0 proposes late at 3 under 1.0
   1126ms n2 prepares 2.2 from slot 3
   1128ms n2 proposes a no-op at 3 under 2.2
   1128ms n2 accepts slot 3 under 2.2
   1129ms n1 accepts slot 3 under 2.2
   1130ms n1 accepts slot 4 under 2.2
   1130ms n2 knows slot 3 decided
   1131ms n2 knows slot 4 decided
   1179ms n1 knows slot 3 decided
# Now the old accepts arrive.
advance 2s
events accepts
  none
show
  n0 down
  n1 follows    promised 2.2   applied: a new
  n2 leads 2.2  promised 2.2   applied: a new
