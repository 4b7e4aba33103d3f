--------------------------- MODULE Reconfiguration ---------------------------
(***************************************************************************)
(* Changing the members with a stop-sign in the log.                       *)
(*                                                                         *)
(* A configuration is a replicated log of its own members, and its last    *)
(* command is a stop-sign.  Once that is decided at a slot, the            *)
(* configuration is over: what it accepted above the slot is void, and the *)
(* next one, with its own members, promises and votes, starts at exactly   *)
(* the slot after it.                                                      *)
(*                                                                         *)
(* A leader may have proposals in flight above a stop-sign, and votes above*)
(* it may form a quorum before the stop-sign does, or in a lower ballot    *)
(* than it: what a quorum accepted above a slot that is still open is not  *)
(* yet decided.  So with stop-signs a slot is decided only when all slots  *)
(* below it are.                                                           *)
(*                                                                         *)
(* What is abstracted, and why it loses nothing here:                      *)
(*  - Votes in place of messages, as in Lamport's "Voting": the proposal of*)
(*    a leader is implied by the first vote for it, and phase 1 looks at   *)
(*    the promises and votes of a quorum directly.  MultiPaxos is about    *)
(*    the messages that carry them.                                        *)
(*  - A promise or a vote is durable in the step that makes it: see I7 in  *)
(*    SingleSlot.                                                          *)
(*  - Whoever sees that a quorum voted decides; a Learn is the same thing  *)
(*    later.  `Hears' narrows who decides, to keep the state space small;  *)
(*    the others go on in the configuration they know.                     *)
(*                                                                         *)
(* The invariants carry the numbers of docs/paxos.md.                      *)
(*                                                                         *)
(* Papers: L. Lamport, D. Malkhi, L. Zhou, "Reconfiguring a State Machine" *)
(*         (2010), RSM below, for the stop-sign; by the same authors,      *)
(*         "Stoppable Paxos" (2008): how to decide above an open slot      *)
(*         after all;                                                      *)
(*         L. Lamport, "Paxos Made Simple" (2001), PMS below.              *)
(***************************************************************************)
EXTENDS Naturals, Sequences, TLC

CONSTANTS
    Quorums,    \* Quorums[e]: the quorums of configuration e, any two of which meet; their
                \* union is its members; the last configuration never ends
    MaxBallot,  \* MaxBallot[e]: the ballots of configuration e are 1..MaxBallot[e]
    MaxSlot,    \* slots are 1..MaxSlot
    StopAt,     \* the ballots and slots at which a leader that is free proposes a stop-sign
    Hears,      \* the nodes that decide
    Alike,      \* nodes that are the same to quorums and Hears
    Bug         \* "none", or the mistake to plant; see Mistakes

Mistakes == { "none",
    "config_effective_when_accepted",  \* a stop-sign ends a configuration when a node votes for it
    "decide_out_of_order",             \* a quorum's votes decide a slot above an open one
    "void_votes_survive",              \* phase 1 of a configuration counts votes of the one before
    "new_config_starts_at_stop" }      \* the next configuration starts at the stop-sign's slot

ASSUME Bug \in Mistakes
ASSUME \A e \in 1..Len(Quorums) : \A P, Q \in Quorums[e] : P \cap Q # {}

VARIABLES
    bal,      \* bal[e][n]: the ballot node n promised in configuration e, durable
    cast,     \* cast[e][n][s]: the ballots node n voted in at slot s of configuration e, durable
    prop,     \* prop[e][b][s]: the value that was proposed there, or None
    decided,  \* decided[n][s]: the configuration and value that node n decided at slot s, or Open
    conf      \* conf[n]: the configuration node n is in and the slot it starts at

vars == <<bal, cast, prop, decided, conf>>

Config == 1..Len(Quorums)
Members(e) == UNION Quorums[e]
Node   == UNION { Members(e) : e \in Config }
Slot   == 1..MaxSlot
Ballot(e) == 1..MaxBallot[e]

\* A value is named by where it was first proposed, so that what is proposed afresh always
\* differs; the first number tells a stop-sign from a batch.
None           == <<0, 0, 0, 0>>
Batch(e, b, s) == <<1, e, b, s>>
Stop(e, b, s)  == <<2, e, b, s>>
IsStop(v)      == v[1] = 2
BornIn(v)      == v[2]
Open           == [e |-> 0, v |-> None]

TypeOK ==
    /\ \A e \in Config, n \in Node : bal[e][n] \in 0..MaxBallot[e]
    /\ \A e \in Config, n \in Node, s \in Slot : cast[e][n][s] \subseteq Ballot(e)
    /\ \A n \in Node, s \in Slot : decided[n][s].e \in Config \cup {0}
    /\ \A n \in Node : conf[n].e \in Config /\ conf[n].start \in 1..(MaxSlot + 1)

Init ==
    /\ bal     = [e \in Config |-> [n \in Node |-> 0]]
    /\ cast    = [e \in Config |-> [n \in Node |-> [s \in Slot |-> {}]]]
    /\ prop    = [e \in Config |-> [b \in Ballot(e) |-> [s \in Slot |-> None]]]
    /\ decided = [n \in Node |-> [s \in Slot |-> Open]]
    /\ conf    = [n \in Node |-> [e |-> 1, start |-> 1]]

\* The first ballot of the first configuration has nothing below it, so that who promised it
\* without voting is as who promised nothing: starting after its phase 1 loses nothing.
InitLed ==
    /\ bal     = [e \in Config |-> [n \in Node |-> IF e = 1 /\ n \in Members(1) THEN 1 ELSE 0]]
    /\ cast    = [e \in Config |-> [n \in Node |-> [s \in Slot |-> {}]]]
    /\ prop    = [e \in Config |-> [b \in Ballot(e) |-> [s \in Slot |-> None]]]
    /\ decided = [n \in Node |-> [s \in Slot |-> Open]]
    /\ conf    = [n \in Node |-> [e |-> 1, start |-> 1]]

-----------------------------------------------------------------------------
(* Voting within a configuration *)

\* PMS phase 1(b): node n promises ballot b of its configuration e.
Promise(n, e, b) ==
    /\ b > bal[e][n]
    /\ bal' = [bal EXCEPT ![e][n] = b]
    /\ UNCHANGED <<cast, prop, decided, conf>>

\* The ballots of configuration e below b in which nodes of Q voted at slot s.
Below(e, b, s, Q) == { c \in UNION { cast[e][n][s] : n \in Q } : c < b }

\* The value voted for in the highest of the ballots in B.
Highest(e, s, B) == prop[e][CHOOSE c \in B : \A d \in B : d =< c][s]

\* PMS phase 2(a), the rule: the value of the highest vote; or any, a stop-sign included.  What
\* was voted for in the configuration before does not count: at an open slot it is void.
MayPropose(e, b, s, Q) ==
    LET B == Below(e, b, s, Q)
    IN  IF B # {} THEN {Highest(e, s, B)}
        ELSE IF Bug = "void_votes_survive" /\ e > 1 /\ UNION { cast[e - 1][n][s] : n \in Q } # {}
        THEN {Highest(e - 1, s, UNION { cast[e - 1][n][s] : n \in Q })}
        ELSE IF <<b, s>> \in StopAt /\ e < Len(Quorums) THEN {Stop(e, b, s)} ELSE {Batch(e, b, s)}

\* What may be voted for: what was proposed in the ballot already, or what its leader, with the
\* promises of a quorum, may propose.
Proposals(e, b, s) ==
    IF prop[e][b][s] # None THEN {prop[e][b][s]}
    ELSE UNION { MayPropose(e, b, s, Q) : Q \in { P \in Quorums[e] : \A n \in P : bal[e][n] >= b } }

\* PMS phase 2(b): node n votes at an open slot of its configuration e, in any order.
Vote(n, e, b, s) ==
    /\ b >= bal[e][n]
    /\ b \notin cast[e][n][s]
    /\ \E v \in Proposals(e, b, s) :
        /\ prop' = [prop EXCEPT ![e][b][s] = v]
        /\ conf' = IF Bug = "config_effective_when_accepted" /\ IsStop(v)
                   THEN [conf EXCEPT ![n] = [e |-> e + 1, start |-> s + 1]]
                   ELSE conf
    /\ cast' = [cast EXCEPT ![e][n][s] = @ \cup {b}]
    /\ bal'  = [bal EXCEPT ![e][n] = b]
    /\ UNCHANGED decided

-----------------------------------------------------------------------------
(* Deciding *)

\* A quorum of configuration e voted at slot s in ballot b.
Chosen(e, b, s) ==
    \E Q \in Quorums[e] : \A n \in Q : b \in cast[e][n][s]

\* RSM, the stop-sign: a node decides the next slot, by a quorum of the configuration that the
\* slots below it lead to; a stop-sign ends that one, and the next starts at the slot after.
Decide(n, e, b, s) ==
    /\ prop[e][b][s] # decided[n][s].v
    /\ \/ \A t \in conf[n].start..(s - 1) : decided[n][t] # Open
       \/ Bug = "decide_out_of_order"
    /\ Chosen(e, b, s)
    /\ decided' = [decided EXCEPT ![n][s] = [e |-> e, v |-> prop[e][b][s]]]
    /\ conf' = IF IsStop(prop[e][b][s])
               THEN [conf EXCEPT ![n] =
                        [e     |-> e + 1,
                         start |-> IF Bug = "new_config_starts_at_stop" THEN s ELSE s + 1]]
               ELSE conf
    /\ UNCHANGED <<bal, cast, prop>>

\* A node acts in the configuration it is in, at the slots from its start on.
Next ==
    \E n \in Node : \E e \in {conf[n].e} : \E b \in Ballot(e) :
        \/ n \in Members(e) /\ Promise(n, e, b)
        \/ n \in Members(e) /\ \E s \in conf[n].start..MaxSlot : Vote(n, e, b, s)
        \/ n \in Hears /\ \E s \in conf[n].start..MaxSlot : Decide(n, e, b, s)

Spec    == Init    /\ [][Next]_vars
SpecLed == InitLed /\ [][Next]_vars

Symmetry == Permutations(Alike)

-----------------------------------------------------------------------------
(* The invariants, numbered as in docs/paxos.md *)

\* No two nodes decide different values, or the same one in different configurations, at a slot.
I1_Agreement ==
    \A n, m \in Node, s \in Slot :
        decided[n][s] = Open \/ decided[m][s] = Open \/ decided[n][s] = decided[m][s]

\* What a node decided at a slot never changes.
I3_StablePrefix ==
    [][\A n \in Node, s \in Slot :
        decided[n][s] # Open => decided'[n][s] = decided[n][s]]_vars

\* A promise only rises, in every configuration, and votes are never taken back.
I4_BallotsNeverRegress ==
    [][\A e \in Config, n \in Node :
        /\ bal'[e][n] >= bal[e][n]
        /\ \A s \in Slot : /\ cast[e][n][s] \subseteq cast'[e][n][s]
                           /\ \A b \in cast'[e][n][s] \ cast[e][n][s] : b >= bal[e][n]]_vars

\* Configurations chain.  Where configuration e decided a stop-sign, nothing above is decided by e
\* or before, and nothing at or below by its successors.  No configuration decides without the
\* stop-sign before it.  What is decided was proposed in the configuration that decides it.
C1_ConfigurationsChain ==
    \A m \in Node, t \in Slot : decided[m][t] # Open =>
        /\ \A n \in Node, s \in Slot : (decided[n][s] # Open /\ IsStop(decided[n][s].v)) =>
              IF t =< s THEN decided[m][t].e =< decided[n][s].e
                        ELSE decided[m][t].e >  decided[n][s].e
        /\ decided[m][t].e > 1 => \E n \in Node, s \in 1..(t - 1) :
              IsStop(decided[n][s].v) /\ decided[n][s].e = decided[m][t].e - 1
        /\ BornIn(decided[m][t].v) = decided[m][t].e
=============================================================================
