# The accepts of slot 3 are lost on their way to everyone, those of slot 4 are not; then the leader dies. The next
# leader finds a vote at 4 and none at 3: it closes the hole, or slot 4 could never be applied ("Paxos Made Simple",
# section 3).
cluster 3
until leader 0
propose w to 0
advance 100ms
forget
starve accept for 1300us
propose a to 0
advance 500us
propose b to 0
until 1 accepts slot 4
advance 1ms
crash 0 power
until leader 2
advance 100ms
events 2.2
   1132ms n2 prepares 2.2 from slot 3
   1132ms n2 promises 2.2, votes 4@1.0
   1133ms n1 promises 2.2, votes 4@1.0
   1134ms n2 leads 2.2
   1134ms n2 proposes a no-op at 3 under 2.2
   1134ms n2 proposes b at 4 under 2.2
   1134ms n2 proposes a no-op at 5 under 2.2
   1134ms n2 accepts slot 3 under 2.2
   1134ms n2 accepts slot 4 under 2.2
   1134ms n2 accepts slot 5 under 2.2
   1135ms n1 accepts slot 3 under 2.2
   1135ms n1 accepts slot 4 under 2.2
   1135ms n1 accepts slot 5 under 2.2
reached a new leader closed a hole with a no-op
# The old leader returns with a vote for a at slot 3, where the no-op was decided.
restart 0
advance 1s
show
  n0 follows    promised 1.0   applied: w b
  n1 follows    promised 2.2   applied: w b
  n2 leads 2.2  promised 2.2   applied: w b
# The client of a asks again; a takes effect behind b, though it was proposed before it.
retry a to 2
advance 100ms
show
  n0 follows    promised 2.2   applied: w b a
  n1 follows    promised 2.2   applied: w b a
  n2 leads 2.2  promised 2.2   applied: w b a
