# A candidate dies after its prepare left. If its next life used the ballot again, promises to the former life would
# count for the new one (bug P07: phxpaxos#145). The ballot is durable before the prepare leaves, so it is never reused.
cluster 3
until 0 prepares 1.0
# n1's promise for 1.0 is held up until the next life asks for promises too.
clog 1 -> 0 for 400ms
crash 0 power
restart 0
until 1 promises 1.0
# What the next life is promised is lost.
starve promise to 0 for 500ms
until 0 prepares
until 2 promises 2.0
advance 150ms
# The old promise has arrived by now; with n0's own that would have been a quorum for 1.0.
events
    305ms n0 prepares 1.0 from slot 0
    305ms n0 promises 1.0, no votes
    305ms n0 restarts, promised 1.0, 0 votes
    306ms n2 promises 1.0, no votes
    306ms n1 promises 1.0, no votes
    611ms n0 prepares 2.0 from slot 0
    611ms n0 promises 2.0, no votes
    612ms n2 promises 2.0, no votes
    612ms n1 promises 2.0, no votes
    672ms n1 promises 2.0, no votes
    672ms n2 promises 2.0, no votes
    732ms n1 promises 2.0, no votes
    732ms n2 promises 2.0, no votes
show
  n0 follows    promised 2.0   applied:
  n1 follows    promised 2.0   applied:
  n2 follows    promised 2.0   applied:
until leader 0
events leads
    853ms n0 leads 2.0
