# Three of five are gone: nothing is decided until one of them comes back, and then what was voted for is decided.
cluster 5
until leader 0
propose a to 0
advance 100ms
forget
crash 2 power
crash 3 power
crash 4 power
propose b to 0
advance 200ms
events slot 3
    412ms n0 accepts slot 3 under 1.0
    413ms n1 accepts slot 3 under 1.0
answers
  none
# The last in line comes back; those before it never answer.
restart 4
advance 200ms
answers
  b from n0: done
show
  n0 leads 1.0  promised 1.0   applied: a b
  n1 follows    promised 1.0   applied: a b
  n2 down
  n3 down
  n4 follows    promised 1.0   applied: a b
