----------------------------- MODULE SingleSlot -----------------------------
(***************************************************************************)
(* Paxos for one slot, with the storage under it.                          *)
(*                                                                         *)
(* This is the specification that says what must be durable before what is *)
(* said.  A node works on its volatile state `mem'; its journal holds      *)
(* `disk'; replies wait in `outbox' and leave in the step that makes the   *)
(* records under them durable.  A crash can fall anywhere: it forgets what *)
(* is volatile, and the node goes on from what its journal kept.           *)
(*                                                                         *)
(* What is abstracted, and why it loses nothing here:                      *)
(*  - Messages are sets that only grow, one set for each kind.  A message  *)
(*    may be received late, many times, out of order or never: delay,      *)
(*    duplication, reordering and loss are all the same thing.             *)
(*  - A ballot stands for its one leader (ballots belong to nodes, and a   *)
(*    node never uses one twice: I9, in MultiPaxos).  So leaders have no   *)
(*    state but what they sent, and a dead leader is one that does nothing.*)
(*  - One Sync covers everything written so far.  That it can be partial   *)
(*    is covered by a Sync that came earlier; that a record reached the    *)
(*    medium without a completion is covered by Sync followed by Crash.    *)
(*  - `decided' survives a crash although a node may forget it: it is the  *)
(*    memory of the observer, and deciding again overwrites it, so that    *)
(*    I3 is about more than one life of a node.                            *)
(*                                                                         *)
(* The invariants carry the numbers of docs/paxos.md.  I9 to I11 and C1    *)
(* need several slots, lives or configurations: see the other modules.     *)
(*                                                                         *)
(* Papers: L. Lamport, "Paxos Made Simple" (2001), PMS below;              *)
(*         T. Chandra, R. Griesemer, J. Redstone, "Paxos Made Live" (2007),*)
(*         PML below.                                                      *)
(***************************************************************************)
EXTENDS Naturals, TLC

CONSTANTS
    Node,       \* the nodes: each accepts, and each learns
    Quorum,     \* sets of nodes of which any two meet; the smallest ones are enough
    Value,      \* what may be proposed
    MaxBallot,  \* ballots are 1..MaxBallot; 0 is "no ballot"
    None,       \* no value
    Bug         \* "none", or the mistake to plant; see Mistakes

Mistakes == { "none",
    "no_sync_before_promise",        \* a promise leaves before its record is durable
    "no_sync_before_accepted",       \* an accepted reply leaves before its record is durable
    "phase1_without_quorum",         \* a leader proposes when one promise less than a quorum is in
    "two_values_in_one_ballot",      \* a leader forgets that it proposed already
    "accept_without_promise_update", \* a vote does not raise the promise
    "promise_forgets_votes",         \* a promise reports no vote
    "decide_on_one_accepted",        \* one accepted reply is taken for a quorum
    "decide_without_proposal" }      \* a node fills the slot by itself

ASSUME Bug \in Mistakes
ASSUME \A P, Q \in Quorum : P \cap Q # {}

VARIABLES
    mem,        \* mem[n]: what node n works on, volatile
    disk,       \* disk[n]: what its journal would give back after a crash
    outbox,     \* outbox[n]: replies withheld until what they rest on is durable
    prepares,   \* the ballots whose Prepare was sent
    promises,   \* the Promise messages that left
    proposes,   \* the Accept requests that left: one value for a ballot
    accepteds,  \* the Accepted replies that left
    decided     \* decided[n]: what node n last decided, or None

vars == <<mem, disk, outbox, prepares, promises, proposes, accepteds, decided>>

Ballot == 1..MaxBallot

\* What an acceptor keeps: its promise, and the ballot and value of its last vote.
Acceptor == [bal : 0..MaxBallot, vbal : 0..MaxBallot, val : Value \cup {None}]
Blank    == [bal |-> 0, vbal |-> 0, val |-> None]

PromiseMsg  == [t : {"promise"}, n : Node, b : Ballot, vbal : 0..MaxBallot,
                val : Value \cup {None}]
ProposeMsg  == [b : Ballot, v : Value]
AcceptedMsg == [t : {"accepted"}, n : Node, b : Ballot, v : Value]

TypeOK ==
    /\ mem  \in [Node -> Acceptor]
    /\ disk \in [Node -> Acceptor]
    /\ \A n \in Node : \A r \in outbox[n] : r \in PromiseMsg \/ r \in AcceptedMsg
    /\ prepares \subseteq Ballot
    /\ \A m \in promises  : m \in PromiseMsg
    /\ \A m \in proposes  : m \in ProposeMsg
    /\ \A m \in accepteds : m \in AcceptedMsg
    /\ decided \in [Node -> Value \cup {None}]

Init ==
    /\ mem       = [n \in Node |-> Blank]
    /\ disk      = [n \in Node |-> Blank]
    /\ outbox    = [n \in Node |-> {}]
    /\ prepares  = {}
    /\ promises  = {}
    /\ proposes  = {}
    /\ accepteds = {}
    /\ decided   = [n \in Node |-> None]

-----------------------------------------------------------------------------
(* Leaders *)

\* PMS phase 1(a): the leader of ballot b asks for promises.
Prepare(b) ==
    /\ prepares' = prepares \cup {b}
    /\ UNCHANGED <<mem, disk, outbox, promises, proposes, accepteds, decided>>

\* The promises for ballot b from the nodes in Q.
Counted(b, Q) == { p \in promises : p.b = b /\ p.n \in Q }

\* Q has promised b, all of it.
Promised(b, Q) == \A n \in Q : \E p \in promises : p.b = b /\ p.n = n

\* PMS phase 2(a), the rule: v is the value of the highest-ballot vote reported, or any if none.
MayPropose(b, v, Q) ==
    LET voted == { p \in Counted(b, Q) : p.vbal > 0 }
    IN  \/ voted = {}
        \/ \E p \in voted : p.val = v /\ \A r \in voted : r.vbal =< p.vbal

\* The sets a leader counts promises in.
Phase1Quorum ==
    IF Bug = "phase1_without_quorum"
    THEN { {n} : n \in Node }
    ELSE Quorum

\* PMS phase 2(a): with a quorum's promises, the leader of b proposes one value.
Propose(b, v) ==
    /\ \E Q \in Phase1Quorum : Promised(b, Q) /\ MayPropose(b, v, Q)
    /\ proposes' = proposes \cup {[b |-> b, v |-> v]}
    /\ UNCHANGED <<mem, disk, outbox, prepares, promises, accepteds, decided>>

-----------------------------------------------------------------------------
(* Acceptors *)

\* A reply is withheld until a Sync, unless the planted mistake lets it go.
Withhold(n, r, mistake) ==
    IF Bug = mistake
    THEN /\ outbox'    = outbox
         /\ promises'  = IF r.t = "promise"  THEN promises \cup {r}  ELSE promises
         /\ accepteds' = IF r.t = "accepted" THEN accepteds \cup {r} ELSE accepteds
    ELSE /\ outbox'    = [outbox EXCEPT ![n] = @ \cup {r}]
         /\ UNCHANGED <<promises, accepteds>>

\* PMS phase 1(b): a promise to a higher ballot, with the last vote in it.
RecvPrepare(n, b) ==
    /\ b > mem[n].bal
    /\ mem' = [mem EXCEPT ![n].bal = b]
    /\ LET told == IF Bug = "promise_forgets_votes" THEN Blank ELSE mem[n]
       IN  Withhold(n, [t |-> "promise", n |-> n, b |-> b,
                        vbal |-> told.vbal, val |-> told.val],
                    "no_sync_before_promise")
    /\ UNCHANGED <<disk, prepares, proposes, decided>>

\* PMS phase 2(b): a vote, unless a higher ballot was promised.  A vote is a promise too.
RecvPropose(n, m) ==
    /\ m.b >= mem[n].bal
    /\ <<mem[n].vbal, mem[n].val>> # <<m.b, m.v>>
    /\ mem' = [mem EXCEPT ![n] =
                 [bal  |-> IF Bug = "accept_without_promise_update" THEN @.bal ELSE m.b,
                  vbal |-> m.b,
                  val  |-> m.v]]
    /\ Withhold(n, [t |-> "accepted", n |-> n, b |-> m.b, v |-> m.v],
                "no_sync_before_accepted")
    /\ UNCHANGED <<disk, prepares, proposes, decided>>

\* PMS 2.5, PML on disk flushes: stable storage first, then the replies that rest on it.
Sync(n) ==
    /\ disk'      = [disk EXCEPT ![n] = mem[n]]
    /\ outbox'    = [outbox EXCEPT ![n] = {}]
    /\ promises'  = promises  \cup { r \in outbox[n] : r.t = "promise" }
    /\ accepteds' = accepteds \cup { r \in outbox[n] : r.t = "accepted" }
    /\ UNCHANGED <<mem, prepares, proposes, decided>>

\* PMS 2.5: a crash and the restart after it; the node recovers what was durable.
Crash(n) ==
    /\ mem'    = [mem EXCEPT ![n] = disk[n]]
    /\ outbox' = [outbox EXCEPT ![n] = {}]
    /\ UNCHANGED <<disk, prepares, promises, proposes, accepteds, decided>>

-----------------------------------------------------------------------------
(* Learners *)

\* A quorum accepted value v in ballot b.
Chosen(b, v) ==
    \E Q \in IF Bug = "decide_on_one_accepted" THEN { {n} : n \in Node } ELSE Quorum :
        \A n \in Q : [t |-> "accepted", n |-> n, b |-> b, v |-> v] \in accepteds

\* PMS 2.3: a node learns that a value was chosen.
Decide(n, b, v) ==
    /\ decided[n] # v
    /\ Chosen(b, v) \/ Bug = "decide_without_proposal"
    /\ decided' = [decided EXCEPT ![n] = v]
    /\ UNCHANGED <<mem, disk, outbox, prepares, promises, proposes, accepteds>>

\* The ballots whose leader asked for promises and has not proposed.
FreeBallots ==
    IF Bug = "two_values_in_one_ballot" THEN prepares ELSE prepares \ { m.b : m \in proposes }

\* The ballots in which something may have been decided.
DecidingBallots ==
    IF Bug = "decide_without_proposal" THEN Ballot ELSE { m.b : m \in proposes }

Next ==
    \/ \E b \in Ballot \ prepares : Prepare(b)
    \/ \E b \in FreeBallots, v \in Value : Propose(b, v)
    \/ \E b \in prepares, n \in Node : RecvPrepare(n, b)
    \/ \E m \in proposes, n \in Node : RecvPropose(n, m)
    \/ \E n \in Node : (mem[n] # disk[n] \/ outbox[n] # {}) /\ (Sync(n) \/ Crash(n))
    \/ \E b \in DecidingBallots, v \in Value, n \in Node : Decide(n, b, v)

Spec == Init /\ [][Next]_vars

\* Nodes are alike.
Symmetry == Permutations(Node)

-----------------------------------------------------------------------------
(* The invariants, numbered as in docs/paxos.md *)

\* No two nodes decide different values.
I1_Agreement ==
    \A n1, n2 \in Node : decided[n1] = None \/ decided[n2] = None \/ decided[n1] = decided[n2]

\* A decided value was proposed.
I2_Validity ==
    \A n \in Node : decided[n] # None => \E m \in proposes : m.v = decided[n]

\* What a node decided never changes.
I3_StablePrefix ==
    [][\A n \in Node : decided[n] # None => decided'[n] = decided[n]]_vars

\* Durable promises and votes only rise, a restart goes back to the durable ones and no
\* further, and no vote is cast below the promise.
I4_BallotsNeverRegress ==
    [][\A n \in Node :
        /\ disk'[n].bal >= disk[n].bal
        /\ disk'[n].vbal >= disk[n].vbal
        /\ mem'[n].bal >= mem'[n].vbal
        /\ \/ mem'[n] = mem[n]
           \/ mem'[n] = disk[n]
           \/ /\ mem'[n].bal >= mem[n].bal
              /\ mem'[n].vbal # mem[n].vbal => mem'[n].vbal >= mem[n].bal]_vars

\* One value for a ballot.
I5_OneValuePerBallot ==
    \A m1, m2 \in proposes : m1.b = m2.b => m1.v = m2.v

\* A proposed value is that of the highest vote some quorum's promises reported, or free.
I6_PhaseOneRule ==
    \A m \in proposes : \E Q \in Quorum :
        /\ Promised(m.b, Q)
        /\ LET voted == { p \in Counted(m.b, Q) : p.vbal > 0 }
           IN  voted = {} \/ \E p \in voted : p.val = m.v /\ \A r \in voted : r.vbal =< p.vbal

\* What was said rests on what is durable.
I7_DurableBeforeSpeech ==
    /\ \A m \in promises  : disk[m.n].bal >= m.b
    /\ \A m \in accepteds : /\ disk[m.n].bal  >= m.b
                            /\ disk[m.n].vbal >= m.b
                            /\ disk[m.n].vbal = m.b => disk[m.n].val = m.v

\* A promise reports the highest vote its node cast below it; so it stays true of votes
\* that are heard of later.
I8_TruthfulPromise ==
    \A p \in promises : \A a \in accepteds :
        (a.n = p.n /\ a.b < p.b) => /\ p.vbal >= a.b
                                    /\ p.vbal = a.b => p.val = a.v
=============================================================================
