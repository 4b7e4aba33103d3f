# Promises arrive so late that somebody else leads already, under a higher ballot. They still are a quorum, and n0
# takes office under 1.0; but whatever it proposes is rejected, because the same acceptors have promised more since.
# Of the two ballots of round 1 the higher node's is the higher one.
cluster 3
until 0 prepares 1.0
clog 2 -> 0 for 250ms
clog 1 -> 0 for 2s
sever 0 -> 1 for 2s
until leader 1
propose new to 1
advance 20ms
events n1
    511ms n1 prepares 1.1 from slot 0
    511ms n1 promises 1.1, no votes
    513ms n1 leads 1.1
    513ms n1 proposes a no-op at 0 under 1.1
    513ms n1 accepts slot 0 under 1.1
    514ms n1 proposes (session) at 1 under 1.1
    514ms n1 accepts slot 1 under 1.1
    515ms n1 knows slot 0 decided
    516ms n1 knows slot 1 decided
    518ms n1 proposes new at 2 under 1.1
    518ms n1 accepts slot 2 under 1.1
    520ms n1 knows slot 2 decided
answers
  new from n1: done
# What n2 said first is what n0 hears first: its promise of 1.0, long overtaken.
until leader 0
propose old to 0
advance 100ms
events n0
    555ms n0 leads 1.0
    555ms n0 proposes a no-op at 0 under 1.0
    555ms n0 gives up 1.0
    555ms n0 accepts slot 0 under 1.0
answers
  old from n0: not the leader
show
  n0 follows    promised 1.0   applied:
  n1 leads 1.1  promised 1.1   applied: new
  n2 follows    promised 1.1   applied: new
advance 2s
show
  n0 follows    promised 1.1   applied: new
  n1 leads 1.1  promised 1.1   applied: new
  n2 follows    promised 1.1   applied: new
