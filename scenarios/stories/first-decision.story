# A calm cluster elects its most impatient node, decides, and everybody applies.
cluster 3
until leader 0
propose x to 0
advance 200ms
answers
  x from n0: done
events
    305ms n0 prepares 1.0 from slot 0
    305ms n0 promises 1.0, no votes
    306ms n2 promises 1.0, no votes
    306ms n1 promises 1.0, no votes
    307ms n0 leads 1.0
    307ms n0 proposes a no-op at 0 under 1.0
    307ms n0 accepts slot 0 under 1.0
    308ms n0 proposes (session) at 1 under 1.0
    308ms n2 accepts slot 0 under 1.0
    308ms n0 accepts slot 1 under 1.0
    308ms n1 accepts slot 0 under 1.0
    309ms n0 knows slot 0 decided
    309ms n1 accepts slot 1 under 1.0
    309ms n2 accepts slot 1 under 1.0
    310ms n0 knows slot 1 decided
    312ms n0 proposes x at 2 under 1.0
    312ms n0 accepts slot 2 under 1.0
    313ms n1 knows slot 0 decided
    313ms n1 knows slot 1 decided
    313ms n2 knows slot 0 decided
    313ms n2 knows slot 1 decided
    313ms n1 accepts slot 2 under 1.0
    313ms n2 accepts slot 2 under 1.0
    314ms n0 knows slot 2 decided
    358ms n1 knows slot 2 decided
    358ms n2 knows slot 2 decided
show
  n0 leads 1.0  promised 1.0   applied: x
  n1 follows    promised 1.0   applied: x
  n2 follows    promised 1.0   applied: x
