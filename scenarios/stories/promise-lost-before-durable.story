# A power loss takes promises that were written and not yet durable. Nobody may have counted them (bug S01).
cluster 5 seed 2
disk 1 by 20ms for 1s
disk 2 by 20ms for 1s
disk 3 by 20ms for 1s
disk 4 by 20ms for 1s
until 0 prepares 1.0
advance 10ms
# Four promises are on their way to the platter, and none was spoken of.
events
    318ms n0 prepares 1.0 from slot 0
    318ms n0 promises 1.0, no votes
crash 1 power
crash 2 power
crash 3 power
crash 4 power
restart 1
restart 2
restart 3
restart 4
# Some of them made it and some did not; all are asked again, and only what is said now counts.
until leader 0
events
    428ms n2 restarts, promised 1.0, 0 votes
    437ms n4 restarts, promised 0.0, 0 votes
    438ms n3 restarts, promised 0.0, 0 votes
    439ms n2 promises 1.0, no votes
    443ms n1 restarts, promised 0.0, 0 votes
    482ms n4 promises 1.0, no votes
    483ms n0 leads 1.0
    483ms n0 proposes a no-op at 0 under 1.0
