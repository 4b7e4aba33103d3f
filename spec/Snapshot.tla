------------------------------ MODULE Snapshot ------------------------------
(***************************************************************************)
(* What may be forgotten, and who must keep silent after having forgotten  *)
(* everything.                                                             *)
(*                                                                         *)
(* A node replaces its votes by a snapshot of what it applied, another one *)
(* installs that snapshot in place of what it missed, a crash takes away   *)
(* what is not durable, and one node may lose its device: it comes back    *)
(* without promise, votes and snapshot, knows that, and only learns.       *)
(*                                                                         *)
(* What is abstracted, and why it loses nothing here:                      *)
(*  - Promises and Accepted replies are sets of messages that only grow;   *)
(*    Prepare and Accept requests are folded into their receipt, because   *)
(*    MultiPaxos is about them.                                            *)
(*  - A promise, a vote and a snapshot are durable in the step that makes  *)
(*    them (I7 in SingleSlot).  What a node applied is not: a crash sets   *)
(*    it back to the durable snapshot.                                     *)
(*  - Whoever sees that a quorum voted decides and applies; a Learn is the *)
(*    same thing later.                                                    *)
(*  - A transfer is one step: pieces that are not whole are never referred *)
(*    to, and a node that has them is as one that has none.                *)
(*                                                                         *)
(* The invariants carry the numbers of docs/paxos.md.                      *)
(*                                                                         *)
(* Papers: T. Chandra, R. Griesemer, J. Redstone, "Paxos Made Live" (2007),*)
(*         5.1 on a replica that lost its disk and 5.5 on snapshots.       *)
(***************************************************************************)
EXTENDS Naturals, FiniteSets, Sequences

CONSTANTS
    Node,       \* the nodes; each promises, votes, applies and takes snapshots
    Quorum,     \* sets of nodes of which any two meet
    MaxBallot,  \* ballots are 1..MaxBallot
    MaxSlot,    \* slots are 1..MaxSlot
    Takes,      \* the nodes that take snapshots, trim and crash
    Loses,      \* the nodes that may lose their device, one of them once
    Bug         \* "none", or the mistake to plant; see Mistakes

Mistakes == { "none",
    "trim_before_durable",      \* votes go as soon as they are applied, before a snapshot is durable
    "count_promise_from_above", \* a promise that begins behind a slot counts as one without a vote there
    "promise_hides_trimming",   \* a promise does not say that it begins behind what is trimmed
    "amnesiac_votes",           \* a node that lost its device takes part as if it were new
    "snapshot_off_by_one" }     \* a snapshot claims one slot more than it holds

ASSUME Bug \in Mistakes
ASSUME \A P, Q \in Quorum : P \cap Q # {}

VARIABLES
    bal,        \* bal[n]: the ballot node n promised, durable
    votes,      \* votes[n][s]: its last vote at slot s, durable unless trimmed
    first,      \* first[n]: the slots up to this one are trimmed
    snap,       \* snap[n]: its durable snapshot: up to which slot, and the state
    applied,    \* applied[n]: up to which slot it applied, and the state; volatile
    lost,       \* the nodes that lost their device
    promises,   \* the Promise messages: node, ballot, the first slot they speak of, votes
    proposes,   \* what leaders proposed: ballot, slot, value
    accepteds   \* the Accepted replies: node, ballot, slot, value

vars == <<bal, votes, first, snap, applied, lost, promises, proposes, accepteds>>

Ballot == 1..MaxBallot
Slot   == 1..MaxSlot
NoVote == [b |-> 0, v |-> 0]
Empty  == [upto |-> 0, state |-> <<>>]

Max(a, b) == IF a > b THEN a ELSE b

\* A value is named by the ballot in which it was proposed first: what leaders are free to
\* propose always differs.
TypeOK ==
    /\ bal   \in [Node -> 0..MaxBallot]
    /\ votes \in [Node -> [Slot -> [b : 0..MaxBallot, v : 0..MaxBallot]]]
    /\ first \in [Node -> 0..MaxSlot]
    /\ lost  \subseteq Node
    /\ \A n \in Node : snap[n].upto \in 0..MaxSlot /\ applied[n].upto \in 0..MaxSlot
    /\ \A m \in proposes  : m \in [b : Ballot, s : Slot, v : Ballot]
    /\ \A m \in accepteds : m \in [n : Node, b : Ballot, s : Slot, v : Ballot]

Init ==
    /\ bal       = [n \in Node |-> 0]
    /\ votes     = [n \in Node |-> [s \in Slot |-> NoVote]]
    /\ first     = [n \in Node |-> 0]
    /\ snap      = [n \in Node |-> Empty]
    /\ applied   = [n \in Node |-> Empty]
    /\ lost      = {}
    /\ promises  = {}
    /\ proposes  = {}
    /\ accepteds = {}

TakesPart(n) == n \notin lost \/ Bug = "amnesiac_votes"

-----------------------------------------------------------------------------
(* Voting *)

Report(n) ==
    { [s |-> s, b |-> votes[n][s].b, v |-> votes[n][s].v] :
        s \in { t \in Slot : t > first[n] /\ votes[n][t].b > 0 } }

\* Phase 1(b): a promise, with every vote above what is trimmed, and from where it speaks.
Promise(n, b) ==
    /\ TakesPart(n)
    /\ b > bal[n]
    /\ bal'      = [bal EXCEPT ![n] = b]
    /\ LET from == IF Bug = "promise_hides_trimming" THEN 1 ELSE first[n] + 1
       IN  promises' = promises \cup {[n |-> n, b |-> b, from |-> from, acc |-> Report(n)]}
    /\ UNCHANGED <<votes, first, snap, applied, lost, proposes, accepteds>>

\* The promises for b from the nodes in Q that speak of slot s.
Speaking(b, s, Q) ==
    { p \in promises : p.b = b /\ p.n \in Q
                       /\ (p.from =< s \/ Bug = "count_promise_from_above") }

\* Phase 2(a): the value of the highest vote reported at the slot by a quorum that speaks of it.
Propose(b, s) ==
    /\ ~ \E m \in proposes : m.b = b /\ m.s = s
    /\ \E Q \in Quorum :
        LET P == Speaking(b, s, Q)
            R == { r \in UNION { p.acc : p \in P } : r.s = s }
        IN  /\ \A n \in Q : \E p \in P : p.n = n
            /\ \E v \in (IF R = {} THEN {b}
                         ELSE { r.v : r \in { x \in R : \A y \in R : y.b =< x.b } }) :
                proposes' = proposes \cup {[b |-> b, s |-> s, v |-> v]}
    /\ UNCHANGED <<bal, votes, first, snap, applied, lost, promises, accepteds>>

\* Phase 2(b): a vote, unless a higher ballot was promised or the slot is trimmed.
Accept(n, m) ==
    /\ TakesPart(n)
    /\ m.b >= bal[n]
    /\ m.s > first[n]
    /\ votes[n][m.s] # [b |-> m.b, v |-> m.v]
    /\ bal'       = [bal EXCEPT ![n] = m.b]
    /\ votes'     = [votes EXCEPT ![n][m.s] = [b |-> m.b, v |-> m.v]]
    /\ accepteds' = accepteds \cup {[n |-> n, b |-> m.b, s |-> m.s, v |-> m.v]}
    /\ UNCHANGED <<first, snap, applied, lost, promises, proposes>>

Chosen(s, v) ==
    \E Q \in Quorum, b \in Ballot :
        \A n \in Q : [n |-> n, b |-> b, s |-> s, v |-> v] \in accepteds

-----------------------------------------------------------------------------
(* Applying, and what stands in for votes *)

\* The next slot is decided: it is applied, in order.
Apply(n, v) ==
    /\ applied[n].upto < MaxSlot
    /\ Chosen(applied[n].upto + 1, v)
    /\ applied' = [applied EXCEPT ![n] = [upto |-> @.upto + 1, state |-> Append(@.state, v)]]
    /\ UNCHANGED <<bal, votes, first, snap, lost, promises, proposes, accepteds>>

\* What was applied is written, synced, and referred to.
TakeSnapshot(n) ==
    /\ applied[n].upto > snap[n].upto
    /\ LET taken == IF Bug = "snapshot_off_by_one"
                    THEN [applied[n] EXCEPT !.state = SubSeq(@, 1, Len(@) - 1)]
                    ELSE applied[n]
       IN  snap' = [snap EXCEPT ![n] = taken]
    /\ UNCHANGED <<bal, votes, first, applied, lost, promises, proposes, accepteds>>

\* Votes below the snapshot go.
Trim(n) ==
    LET upto == IF Bug = "trim_before_durable" THEN applied[n].upto ELSE snap[n].upto
    IN  /\ upto > first[n]
        /\ first' = [first EXCEPT ![n] = upto]
        /\ votes' = [votes EXCEPT ![n] = [s \in Slot |-> IF s =< upto THEN NoVote ELSE @[s]]]
        /\ UNCHANGED <<bal, snap, applied, lost, promises, proposes, accepteds>>

\* A node that lags takes another one's snapshot: durable first, then in place of its state.
Install(n, k) ==
    /\ snap[k].upto > applied[n].upto
    /\ snap'    = [snap EXCEPT ![n] = snap[k]]
    /\ applied' = [applied EXCEPT ![n] = snap[k]]
    /\ UNCHANGED <<bal, votes, first, lost, promises, proposes, accepteds>>

\* A crash takes what is not durable.
Crash(n) ==
    /\ applied[n] # snap[n]
    /\ applied' = [applied EXCEPT ![n] = snap[n]]
    /\ UNCHANGED <<bal, votes, first, snap, lost, promises, proposes, accepteds>>

\* A device is lost, at most one of a quorum's worth; the node knows it.
Lose(n) ==
    /\ lost = {}
    /\ lost'    = {n}
    /\ bal'     = [bal EXCEPT ![n] = 0]
    /\ votes'   = [votes EXCEPT ![n] = [s \in Slot |-> NoVote]]
    /\ first'   = [first EXCEPT ![n] = 0]
    /\ snap'    = [snap EXCEPT ![n] = Empty]
    /\ applied' = [applied EXCEPT ![n] = Empty]
    /\ UNCHANGED <<promises, proposes, accepteds>>

Next ==
    \/ \E n \in Node, b \in Ballot : Promise(n, b)
    \/ \E b \in Ballot, s \in Slot : Propose(b, s)
    \/ \E n \in Node, m \in proposes : Accept(n, m)
    \/ \E n \in Node, v \in Ballot : Apply(n, v)
    \/ \E n \in Takes : TakeSnapshot(n) \/ Crash(n)
    \/ \E n \in Node : Trim(n)
    \/ \E n \in Node, k \in Node : Install(n, k)
    \/ \E n \in Loses : Lose(n)

Spec == Init /\ [][Next]_vars

-----------------------------------------------------------------------------
(* The invariants, numbered as in docs/paxos.md *)

\* One value is chosen at a slot.
I1_Agreement ==
    \A s \in Slot : \A v, w \in Ballot : Chosen(s, v) /\ Chosen(s, w) => v = w

\* What was chosen is known to every quorum of those that lost nothing: by a vote, or in a snapshot.
I12_ChosenIsKept ==
    \A s \in Slot, v \in Ballot : Chosen(s, v) =>
        \A Q \in Quorum : Q \cap lost = {} =>
            \E n \in Q : votes[n][s].b > 0 \/ snap[n].upto >= s

\* Who lost its device says nothing any more.
I20_NoAmnesiacVotes ==
    [][\A n \in lost : /\ bal'[n] = bal[n]
                       /\ votes'[n] = votes[n]]_vars

\* A state, applied or in a snapshot, is what the chosen values up to its slot give.
Replays(x) == /\ Len(x.state) = x.upto
              /\ \A s \in 1..x.upto : Chosen(s, x.state[s])
I21_SnapshotEqualsReplay == \A n \in Node : Replays(snap[n]) /\ Replays(applied[n])

\* Nothing is trimmed but what a durable snapshot stands in for.
I22_TrimBehindSnapshot == \A n \in Node : first[n] =< snap[n].upto
=============================================================================
