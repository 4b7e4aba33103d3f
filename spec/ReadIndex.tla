------------------------------ MODULE ReadIndex ------------------------------
(***************************************************************************)
(* Reads by read-index: a leader answers a read from its own state once a  *)
(* quorum has said, after the read was invoked, that it still follows it.  *)
(*                                                                         *)
(* What is abstracted, and why it loses nothing here:                      *)
(*  - The log is a number, the count of commands decided: agreement is     *)
(*    MultiPaxos's.  A leader decides when a quorum is at its ballot.      *)
(*  - A command is acknowledged in the step that decides it, which is the  *)
(*    earliest it can be, hence the hardest for reads.                     *)
(*  - A leader that decided nothing yet in its ballot is taken to know     *)
(*    nothing of what is decided, which is the least it can know.          *)
(*  - One read; it sees the state up to the index it took.                 *)
(*                                                                         *)
(* Papers: L. Lamport, "Paxos Made Simple" (2001), section 3;              *)
(*         D. Ongaro, "Consensus: Bridging Theory and Practice" (2014),    *)
(*         section 6.4.                                                    *)
(***************************************************************************)
EXTENDS Naturals

CONSTANTS
    Node,       \* the nodes
    Quorum,     \* sets of nodes of which any two meet
    MaxBallot,  \* ballots are 1..MaxBallot, each with a leader of its own
    MaxLog,     \* how many commands may be decided
    Bug         \* "none", or the mistake to plant; see Mistakes

Mistakes == { "none",
    "no_confirmation",          \* a read is answered without asking whether the leader still leads
    "confirmation_reused",      \* what a quorum said before the read was invoked counts
    "read_before_own_commit" }  \* a leader reads before it decided anything in its ballot

ASSUME Bug \in Mistakes
ASSUME \A P, Q \in Quorum : P \cap Q # {}

VARIABLES
    bal,        \* bal[n]: the ballot node n promised
    log,        \* how many commands are decided, all of them acknowledged
    known,      \* known[b]: how many of them the leader of b knows to be decided
    asked,      \* the read: its ballot, or 0 before it is invoked
    owed,       \* what was acknowledged when it was invoked
    index,      \* the index it took
    confirmed,  \* the nodes that said since then that they follow its leader
    answered    \* whether it was answered

vars == <<bal, log, known, asked, owed, index, confirmed, answered>>

Ballot == 1..MaxBallot

TypeOK ==
    /\ bal \in [Node -> 0..MaxBallot]
    /\ log \in 0..MaxLog
    /\ known \in [Ballot -> 0..MaxLog]
    /\ asked \in 0..MaxBallot
    /\ confirmed \subseteq Node
    /\ answered \in BOOLEAN

Init ==
    /\ bal       = [n \in Node |-> 0]
    /\ log       = 0
    /\ known     = [b \in Ballot |-> 0]
    /\ asked     = 0
    /\ owed      = 0
    /\ index     = 0
    /\ confirmed = {}
    /\ answered  = FALSE

\* PMS phase 1(b): node n promises ballot b.
Promise(n, b) ==
    /\ b > bal[n]
    /\ bal' = [bal EXCEPT ![n] = b]
    /\ UNCHANGED <<log, known, asked, owed, index, confirmed, answered>>

\* PMS phase 2: the leader of b decides one more command, and acknowledges it.
Commit(b) ==
    /\ log < MaxLog
    /\ \E Q \in Quorum : \A n \in Q : bal[n] = b
    /\ log'   = log + 1
    /\ known' = [known EXCEPT ![b] = log + 1]
    /\ UNCHANGED <<bal, asked, owed, index, confirmed, answered>>

\* Ongaro 6.4, steps 1 and 2: the leader of b, having decided in its ballot, takes its commit index.
Invoke(b) ==
    /\ asked = 0
    /\ known[b] > 0 \/ Bug = "read_before_own_commit"
    /\ asked' = b
    /\ owed'  = log
    /\ index' = known[b]
    /\ confirmed' = IF Bug = "confirmation_reused" THEN { n \in Node : bal[n] >= b } ELSE {}
    /\ UNCHANGED <<bal, log, known, answered>>

\* Ongaro 6.4, step 3: a node that has promised nothing higher answers the heartbeat.
Confirm(n) ==
    /\ asked # 0 /\ ~answered
    /\ n \notin confirmed
    /\ bal[n] = asked
    /\ confirmed' = confirmed \cup {n}
    /\ UNCHANGED <<bal, log, known, asked, owed, index, answered>>

\* Ongaro 6.4, steps 4 and 5: with a quorum's answers the read returns the state at its index.
Answer ==
    /\ asked # 0 /\ ~answered
    /\ confirmed \in { C \in SUBSET Node : \E Q \in Quorum : Q \subseteq C } \/ Bug = "no_confirmation"
    /\ answered' = TRUE
    /\ UNCHANGED <<bal, log, known, asked, owed, index, confirmed>>

Next ==
    \/ \E n \in Node, b \in Ballot : Promise(n, b)
    \/ \E b \in Ballot : Commit(b)
    \/ \E b \in Ballot : Invoke(b)
    \/ \E n \in Node : Confirm(n)
    \/ Answer

Spec == Init /\ [][Next]_vars

-----------------------------------------------------------------------------
(* The invariant, numbered as in docs/paxos.md *)

\* A read returns at least what was acknowledged before it was invoked.
I16_ReadSeesAcknowledged == answered => index >= owed
=============================================================================
