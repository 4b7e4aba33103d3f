# A follower missed a slot and cannot catch up, because the answers are lost. It applies nothing out of order
# meanwhile, though it voted for later slots and hears that they are decided.
cluster 3
until leader 0
propose a to 0
advance 100ms
forget
starve learn for 500ms
sever 0 -> 2 for 20ms
propose b to 0
advance 30ms
propose c to 0
advance 200ms
events n2
    443ms n2 accepts slot 4 under 1.0
show
  n0 leads 1.0  promised 1.0   applied: a b c
  n1 follows    promised 1.0   applied: a b c
  n2 follows    promised 1.0   applied: a
advance 500ms
events n2
    955ms n2 knows slot 3 decided
    955ms n2 knows slot 4 decided
show
  n0 leads 1.0  promised 1.0   applied: a b c
  n1 follows    promised 1.0   applied: a b c
  n2 follows    promised 1.0   applied: a b c
