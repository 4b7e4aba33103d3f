# The timeouts of two nodes collide: both are told by everybody that they might, both promise themselves a ballot of the
# same round, both ask. Round and node order the two; the acceptor that promised the higher one rejects the lower.
cluster 3
drift 1 by 677000000
until leader
  n1
advance 100ms
events
    305ms n0 prepares 1.0 from slot 0
    305ms n0 promises 1.0, no votes
    305ms n1 prepares 1.1 from slot 0
    305ms n1 promises 1.1, no votes
    306ms n2 promises 1.0, no votes
    306ms n0 gives up 1.0
    306ms n2 promises 1.1, no votes
    307ms n0 promises 1.1, no votes
    307ms n1 leads 1.1
    307ms n1 proposes a no-op at 0 under 1.1
    308ms n1 accepts slot 0 under 1.1
    309ms n0 accepts slot 0 under 1.1
    309ms n2 accepts slot 0 under 1.1
    310ms n1 knows slot 0 decided
    338ms n0 knows slot 0 decided
    338ms n2 knows slot 0 decided
show
  n0 follows    promised 1.1   applied:
  n1 leads 1.1  promised 1.1   applied:
  n2 follows    promised 1.1   applied:
