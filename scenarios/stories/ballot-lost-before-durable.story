# A candidate dies before its own promise is durable. No prepare has left, so its next life may use the same ballot:
# nobody ever heard of it.
cluster 3
disk 0 by 20ms for 1s
# The others are kept from campaigning.
starve pre-vote-reply to 1 for 2s
starve pre-vote-reply to 2 for 2s
advance 315ms
# Pre-votes were granted; 1.0 is being written.
crash 0 power
events
  none
restart 0
until leader 0
events n0
    434ms n0 restarts, promised 0.0, 0 votes
    782ms n0 prepares 1.0 from slot 0
    782ms n0 promises 1.0, no votes
    784ms n0 leads 1.0
    784ms n0 proposes a no-op at 0 under 1.0
show
  n0 leads 1.0  promised 1.0   applied:
  n1 follows    promised 1.0   applied:
  n2 follows    promised 1.0   applied:
