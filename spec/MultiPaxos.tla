----------------------------- MODULE MultiPaxos -----------------------------
(***************************************************************************)
(* Multi-Paxos: a log of slots, one phase 1 for all open slots, pipelined  *)
(* proposals, a commit index, catch-up, restarts, in-order apply.          *)
(*                                                                         *)
(* What is abstracted, and why it loses nothing here:                      *)
(*  - Messages are sets that only grow, one set for each kind: delay,      *)
(*    duplication, reordering and loss are all the same thing.  Proposals  *)
(*    of one leader are accepted and decided in any order (once there are  *)
(*    stop-signs, only accepted: see Reconfiguration).                     *)
(*  - A promise or a vote is durable in the step that makes it.  The       *)
(*    moment before is invisible to others, because nothing leaves then    *)
(*    (I7, which SingleSlot is about), and a crash in that moment is a     *)
(*    message that was not received.                                       *)
(*  - A Learn is not a message here: the receiver reads the sender's       *)
(*    decided values.  They never change (I3), so that a delayed Learn     *)
(*    says the same as a fresh one.                                        *)
(*  - `decided' and `applied' survive a restart although a node may forget *)
(*    how far it was: with more knowledge it can do all that it could do   *)
(*    with less.  Deciding again overwrites, so that I3 is about more than *)
(*    one life of a node.  What a restart loses is leadership.             *)
(*  - `Hears', `Crashes' and `OwnVoteAtOnce' narrow who takes commit       *)
(*    indexes and Learns, who restarts, and when a leader votes, to keep   *)
(*    the state space small.                                               *)
(*                                                                         *)
(* The invariants carry the numbers of docs/paxos.md.  I7 is in SingleSlot,*)
(* C1 in Reconfiguration, I12 and above are about clients (I16 is in       *)
(* ReadIndex).                                                             *)
(*                                                                         *)
(* Papers: L. Lamport, "Paxos Made Simple" (2001), PMS below;              *)
(*         T. Chandra, R. Griesemer, J. Redstone, "Paxos Made Live" (2007),*)
(*         PML below;                                                      *)
(*         R. van Renesse, D. Altinbuken, "Paxos Made Moderately Complex"  *)
(*         (2015), PMMC below.                                             *)
(***************************************************************************)
EXTENDS Naturals, FiniteSets, Sequences

CONSTANTS
    Node,       \* the nodes, 1..N; each proposes, accepts and learns
    Quorum,     \* sets of nodes of which any two meet; the smallest ones are enough
    Batches,    \* how many client batches a leader has to choose from at a slot
    MaxBallot,  \* ballots are 1..MaxBallot, ballot b belongs to node ((b - 1) % N) + 1
    MaxSlot,    \* slots are 1..MaxSlot
    OwnVoteAtOnce, \* whether a leader votes for a value in the step that proposes it
    Hears,      \* the nodes that commit indexes and Learns reach
    Crashes,    \* the nodes that may restart
    Bug         \* "none", or the mistake to plant; see Mistakes

Mistakes == { "none",
    "ignore_highest_vote",             \* a leader proposes its own value whatever was reported
    "ignore_ballot_of_votes",          \* a leader takes any reported vote, not the highest
    "no_ballot_check_on_accept",       \* a node votes below its promise
    "promise_reports_above_from_only", \* a promise leaves out the slot that was asked from
    "commit_any_ballot",               \* the commit index decides votes of any ballot
    "learn_undecided",                 \* a Learn is answered with a vote
    "fill_hole_locally",               \* a follower takes a slot it lacks for a no-op
    "reuse_ballot_after_restart",      \* a restarted node goes on with its former ballot
    "apply_out_of_order" }             \* a node applies what is decided above a hole

ASSUME Bug \in Mistakes
ASSUME \A P, Q \in Quorum : P \cap Q # {}

VARIABLES
    bal,        \* bal[n]: the ballot node n promised, durable
    votes,      \* votes[n][s]: the last vote of node n at slot s, durable
    lead,       \* lead[n]: the ballot node n leads or tries to lead, 0 for none; volatile
    prepares,   \* the Prepare messages: ballot, first slot asked for
    promises,   \* the Promise messages: node, ballot, votes reported
    proposes,   \* the Accept requests: ballot, slot, value
    accepteds,  \* the Accepted replies: node, ballot, slot, value
    commits,    \* the commit indexes announced: ballot, index
    decided,    \* decided[n][s]: what node n last decided at slot s, or None
    applied     \* applied[n]: what node n applied, in the order in which it did

vars == <<bal, votes, lead, prepares, promises, proposes, accepteds, commits, decided, applied>>

Ballot == 1..MaxBallot
Slot   == 1..MaxSlot
Owner(b) == ((b - 1) % Cardinality(Node)) + 1

\* A value is named by the ballot and slot it was first proposed in, so that what different
\* leaders are free to propose always differs, which is the worst case for agreement.
None     == <<0, 0, 0>>
Noop     == <<0, 0, 1>>
Fresh(b, s) == { <<b, s, i>> : i \in 1..Batches }
Value    == {Noop} \cup (Ballot \X Slot \X (1..Batches))

NoVote == [b |-> 0, v |-> None]
Vote   == [b : 0..MaxBallot, v : Value \cup {None}]

Max(a, b) == IF a > b THEN a ELSE b

TypeOK ==
    /\ bal     \in [Node -> 0..MaxBallot]
    /\ lead    \in [Node -> 0..MaxBallot]
    /\ votes   \in [Node -> [Slot -> Vote]]
    /\ decided \in [Node -> [Slot -> Value \cup {None}]]
    /\ \A m \in prepares  : m \in [b : Ballot, from : 1..(MaxSlot + 1)]
    /\ \A m \in proposes  : m \in [b : Ballot, s : Slot, v : Value]
    /\ \A m \in accepteds : m \in [n : Node, b : Ballot, s : Slot, v : Value]
    /\ \A m \in commits   : m \in [b : Ballot, c : Slot]

Init ==
    /\ bal       = [n \in Node |-> 0]
    /\ votes     = [n \in Node |-> [s \in Slot |-> NoVote]]
    /\ lead      = [n \in Node |-> 0]
    /\ prepares  = {}
    /\ promises  = {}
    /\ proposes  = {}
    /\ accepteds = {}
    /\ commits   = {}
    /\ decided   = [n \in Node |-> [s \in Slot |-> None]]
    /\ applied   = [n \in Node |-> <<>>]

\* The same after phase 1 of the first ballot.  No vote is below it, so its promises have nothing
\* to report, and who promised it without voting is as who promised nothing: it loses nothing.
InitLed ==
    /\ bal       = [n \in Node |-> 1]
    /\ votes     = [n \in Node |-> [s \in Slot |-> NoVote]]
    /\ lead      = [n \in Node |-> IF n = Owner(1) THEN 1 ELSE 0]
    /\ prepares  = {[b |-> 1, from |-> 1]}
    /\ promises  = {[n |-> n, b |-> 1, acc |-> {}] : n \in Node}
    /\ proposes  = {}
    /\ accepteds = {}
    /\ commits   = {}
    /\ decided   = [n \in Node |-> [s \in Slot |-> None]]
    /\ applied   = [n \in Node |-> <<>>]

-----------------------------------------------------------------------------
(* Phase 1, once for all open slots *)

\* The number of slots decided from the first on without a hole.
Prefix(d) == CHOOSE k \in 0..MaxSlot : /\ \A s \in 1..k : d[s] # None
                                       /\ k = MaxSlot \/ d[k + 1] = None

\* What node n reports to a Prepare that asks from slot `from' on.
Report(n, from) ==
    { [s |-> s, b |-> votes[n][s].b, v |-> votes[n][s].v] :
        s \in { t \in Slot : /\ votes[n][t].b > 0
                             /\ IF Bug = "promise_reports_above_from_only" THEN t > from
                                ELSE t >= from } }

\* PMS 3, phase 1(a) for all slots at once: a ballot of its own, above what it promised,
\* durable before the Prepare leaves; its own promise comes with it.
Campaign(n, b) ==
    /\ \/ b > bal[n]
       \/ Bug = "reuse_ballot_after_restart" /\ b = bal[n] /\ lead[n] = 0
    /\ bal'      = [bal EXCEPT ![n] = b]
    /\ lead'     = [lead EXCEPT ![n] = b]
    /\ LET from == Prefix(decided[n]) + 1
       IN  /\ prepares' = prepares \cup {[b |-> b, from |-> from]}
           /\ promises' = promises \cup {[n |-> n, b |-> b, acc |-> Report(n, from)]}
    /\ UNCHANGED <<votes, proposes, accepteds, commits, decided, applied>>

\* PMS 3, phase 1(b): a promise, with every vote at the slots asked for; a leader steps down.
RecvPrepare(n, m) ==
    /\ m.b > bal[n]
    /\ bal'      = [bal EXCEPT ![n] = m.b]
    /\ lead'     = [lead EXCEPT ![n] = 0]
    /\ promises' = promises \cup {[n |-> n, b |-> m.b, acc |-> Report(n, m.from)]}
    /\ UNCHANGED <<votes, prepares, proposes, accepteds, commits, decided, applied>>

-----------------------------------------------------------------------------
(* Phase 2, pipelined *)

\* Q has promised b, all of it.
Promised(b, Q) == \A n \in Q : \E p \in promises : p.b = b /\ p.n = n

\* The votes at slot s that the promises for b from the nodes in Q reported.
Reported(b, s, Q) ==
    { r \in UNION { p.acc : p \in { x \in promises : x.b = b /\ x.n \in Q } } : r.s = s }

\* Whether those promises reported a vote above slot s.
Hole(b, s, Q) == \E p \in promises : p.b = b /\ p.n \in Q /\ \E r \in p.acc : r.s > s

\* PMS phase 2(a), the rule: the value of the highest vote reported at the slot; if there is
\* none the leader is free: a batch of its clients, or in a hole a no-op.
MayPropose(b, s, Q) ==
    LET R == Reported(b, s, Q)
    IN  IF R # {} /\ Bug # "ignore_highest_vote"
        THEN { r.v : r \in { x \in R : \/ \A y \in R : y.b =< x.b
                                       \/ Bug = "ignore_ballot_of_votes" } }
        ELSE IF Hole(b, s, Q) THEN {Noop} ELSE Fresh(b, s)

\* PMS phase 2(a): a leader with a quorum's promises proposes at any open slot, several in flight.
Propose(n, b, s) ==
    /\ \/ ~ \E m \in proposes : m.b = b /\ m.s = s
       \/ Bug = "reuse_ballot_after_restart"
    /\ \E m \in prepares : m.b = b /\ s >= m.from
    /\ \E Q \in Quorum :
        /\ Promised(b, Q)
        /\ \E v \in MayPropose(b, s, Q) :
            /\ proposes' = proposes \cup {[b |-> b, s |-> s, v |-> v]}
            /\ IF OwnVoteAtOnce
               THEN /\ votes'     = [votes EXCEPT ![n][s] = [b |-> b, v |-> v]]
                    /\ accepteds' = accepteds \cup {[n |-> n, b |-> b, s |-> s, v |-> v]}
               ELSE UNCHANGED <<votes, accepteds>>
    /\ UNCHANGED <<bal, lead, prepares, promises, commits, decided, applied>>

\* PMS phase 2(b): a vote, unless a higher ballot was promised; a vote is a promise too.
RecvPropose(n, m) ==
    /\ m.b >= bal[n] \/ Bug = "no_ballot_check_on_accept"
    /\ votes[n][m.s] # [b |-> m.b, v |-> m.v]
    /\ bal'       = [bal EXCEPT ![n] = Max(@, m.b)]
    /\ lead'      = [lead EXCEPT ![n] = IF m.b > @ THEN 0 ELSE @]
    /\ votes'     = [votes EXCEPT ![n][m.s] = [b |-> m.b, v |-> m.v]]
    /\ accepteds' = accepteds \cup {[n |-> n, b |-> m.b, s |-> m.s, v |-> m.v]}
    /\ UNCHANGED <<prepares, promises, proposes, commits, decided, applied>>

-----------------------------------------------------------------------------
(* Deciding, learning, applying *)

\* A quorum accepted v at slot s in ballot b.
Chosen(b, s, v) ==
    \E Q \in Quorum : \A n \in Q : [n |-> n, b |-> b, s |-> s, v |-> v] \in accepteds

\* PMMC on replicas: decided values are applied in the order of the slots, as far as there is no hole.
Apply(n, s, v) ==
    LET d == [decided[n] EXCEPT ![s] = v]
    IN  /\ decided' = [decided EXCEPT ![n] = d]
        /\ applied' = IF Bug = "apply_out_of_order"
                      THEN [applied EXCEPT ![n] = Append(@, v)]
                      ELSE [applied EXCEPT ![n] = [i \in 1..Prefix(d) |-> d[i]]]

\* PMS 2.3: the leader hears a quorum of Accepted replies, and its heartbeats carry how far
\* the log is decided without a hole.
Decide(n, m) ==
    /\ decided[n][m.s] # m.v
    /\ Chosen(m.b, m.s, m.v)
    /\ Apply(n, m.s, m.v)
    /\ LET c == Prefix([decided[n] EXCEPT ![m.s] = m.v])
       IN  commits' = IF c = 0 THEN commits ELSE commits \cup {[b |-> m.b, c |-> c]}
    /\ UNCHANGED <<bal, votes, lead, prepares, promises, proposes, accepteds>>

\* PML on catch-up: a commit index decides the slots below it where the node voted
\* in the leader's ballot; of the others it says only that they are decided.
RecvCommit(n, m, s) ==
    /\ s =< m.c
    /\ \/ /\ \/ votes[n][s].b = m.b
             \/ Bug = "commit_any_ballot" /\ votes[n][s].b > 0
          /\ decided[n][s] # votes[n][s].v
          /\ Apply(n, s, votes[n][s].v)
       \/ /\ Bug = "fill_hole_locally" /\ votes[n][s].b = 0 /\ decided[n][s] = None
          /\ Apply(n, s, Noop)
    /\ UNCHANGED <<bal, votes, lead, prepares, promises, proposes, accepteds, commits>>

\* PML on catch-up: a node asks another what it decided at a slot.
Learn(n, from, s) ==
    LET v == IF Bug = "learn_undecided" /\ decided[from][s] = None
             THEN votes[from][s].v ELSE decided[from][s]
    IN  /\ v # None
        /\ decided[n][s] # v
        /\ Apply(n, s, v)
        /\ UNCHANGED <<bal, votes, lead, prepares, promises, proposes, accepteds, commits>>

\* PMS 2.5: a node restarts with its promise and its votes; it leads nothing, and what it will
\* lead next has a higher ballot.
Restart(n) ==
    /\ lead[n] # 0
    /\ lead' = [lead EXCEPT ![n] = 0]
    /\ UNCHANGED <<bal, votes, prepares, promises, proposes, accepteds, commits, decided, applied>>

Next ==
    \/ \E b \in Ballot : Campaign(Owner(b), b)
    \/ \E m \in prepares, n \in Node : RecvPrepare(n, m)
    \/ \E n \in Node : lead[n] # 0 /\ \E b \in {lead[n]}, s \in Slot : Propose(n, b, s)
    \/ \E m \in proposes, n \in Node : RecvPropose(n, m)
    \/ \E m \in proposes : \E n \in {Owner(m.b)} : lead[n] = m.b /\ Decide(n, m)
    \/ \E n \in Hears, m \in commits, s \in Slot : RecvCommit(n, m, s)
    \/ \E n \in Hears, k \in Node, s \in Slot : Learn(n, k, s)
    \/ \E n \in Crashes : Restart(n)

Spec    == Init    /\ [][Next]_vars
SpecLed == InitLed /\ [][Next]_vars

-----------------------------------------------------------------------------
(* The invariants, numbered as in docs/paxos.md *)

\* No two nodes decide different values at a slot.
I1_Agreement ==
    \A n1, n2 \in Node, s \in Slot :
        decided[n1][s] = None \/ decided[n2][s] = None \/ decided[n1][s] = decided[n2][s]

\* A decided value was proposed by a leader.
I2_Validity ==
    \A n \in Node, s \in Slot :
        decided[n][s] # None => \E m \in proposes : m.s = s /\ m.v = decided[n][s]

\* What a node decided at a slot never changes.
I3_StablePrefix ==
    [][\A n \in Node, s \in Slot :
        decided[n][s] # None => decided'[n][s] = decided[n][s]]_vars

\* A promise only rises, and no vote is cast below it.
I4_BallotsNeverRegress ==
    [][\A n \in Node :
        /\ bal'[n] >= bal[n]
        /\ \A s \in Slot : votes'[n][s] # votes[n][s] => /\ votes'[n][s].b >= bal[n]
                                                         /\ votes'[n][s].b =< bal'[n]]_vars

\* One value for a ballot and a slot.
I5_OneValuePerBallot ==
    \A m1, m2 \in proposes : m1.b = m2.b /\ m1.s = m2.s => m1.v = m2.v

\* A proposed value is that of the highest vote some quorum's promises reported, or free.
I6_PhaseOneRule ==
    \A m \in proposes : \E Q \in Quorum :
        /\ Promised(m.b, Q)
        /\ LET R == Reported(m.b, m.s, Q)
           IN  R = {} \/ \E r \in R : r.v = m.v /\ \A q \in R : q.b =< r.b

\* A promise reports, for every slot asked for, the highest vote its node cast below it.
I8_TruthfulPromise ==
    \A a \in accepteds : \A p \in promises : (a.n = p.n /\ a.b < p.b) =>
        \A m \in prepares : (m.b = p.b /\ a.s >= m.from) =>
                \E r \in p.acc : r.s = a.s /\ (r.b > a.b \/ (r.b = a.b /\ r.v = a.v))

\* Who starts to lead does so in a ballot that nobody has used.
I9_BallotUsedOnce ==
    [][\A n \in Node : (lead'[n] # 0 /\ lead'[n] # lead[n]) =>
        ~ \E m \in prepares : m.b = lead'[n]]_vars

\* A node decides what a quorum accepted in the ballot it leads, or by a commit index the vote
\* it cast in that leader's ballot, or what another node decided.
I10_CommitRule ==
    [][\A n \in Node, s \in Slot : decided'[n][s] # decided[n][s] =>
        \/ lead[n] # 0 /\ Chosen(lead[n], s, decided'[n][s])
        \/ \E m \in commits : s =< m.c /\ votes[n][s] = [b |-> m.b, v |-> decided'[n][s]]
        \/ \E k \in Node : decided[k][s] = decided'[n][s]]_vars

\* What a node applied is its log from the first slot on, in order.
I11_InOrderApply ==
    \A n \in Node : \A i \in 1..Len(applied[n]) : decided[n][i] # None /\ applied[n][i] = decided[n][i]
=============================================================================
