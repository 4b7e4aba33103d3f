# A calm cluster elects its most impatient node, decides, and everybody applies.
cluster 3
until leader 0
propose x to 0
advance 200ms
answers
  x from n0: done
events
  0.305396473s n0 prepares 1.0 from slot 0
  0.305396473s n0 promises 1.0, no votes
  0.306567686s n2 promises 1.0, no votes
  0.306581675s n1 promises 1.0, no votes
  0.307567686s n0 leads 1.0
  0.307567686s n0 proposes a no-op at 0 under 1.0
  0.307740818s n0 accepts slot 0 under 1.0
  0.308567686s n0 proposes (session) at 1 under 1.0
  0.308723140s n2 accepts slot 0 under 1.0
  0.308748877s n0 accepts slot 1 under 1.0
  0.308753854s n1 accepts slot 0 under 1.0
  0.309723140s n0 knows slot 0 decided
  0.309731594s n1 accepts slot 1 under 1.0
  0.309753759s n2 accepts slot 1 under 1.0
  0.310731594s n0 knows slot 1 decided
  0.312731594s n0 proposes x at 2 under 1.0
  0.312895630s n0 accepts slot 2 under 1.0
  0.313731594s n1 knows slot 0 decided
  0.313731594s n1 knows slot 1 decided
  0.313731594s n2 knows slot 0 decided
  0.313731594s n2 knows slot 1 decided
  0.313882349s n2 accepts slot 2 under 1.0
  0.313899373s n1 accepts slot 2 under 1.0
  0.314882349s n0 knows slot 2 decided
  0.358567686s n1 knows slot 2 decided
  0.358567686s n2 knows slot 2 decided
show
  n0 leads 1.0  promised 1.0   applied: x
  n1 follows    promised 1.0   applied: x
  n2 follows    promised 1.0   applied: x
