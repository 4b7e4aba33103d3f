# Accepts are answered, so the leader hears its followers; but a vote for a slot does not say that no other leader was
# elected before the read came. The read waits for a heartbeat round begun after it.
cluster 3
until leader 0
propose a to 0
advance 100ms
forget
starve heartbeat-reply for 200ms
read from 0
propose b to 0
advance 100ms
answers
  b from n0: done
advance 200ms
answers
  read from n0: [a b]
