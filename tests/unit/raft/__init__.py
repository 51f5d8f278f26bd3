"""Raft: each defect of unwrapped pysyncobj, and the test that fails if its remedy goes.

"sched." = `test_transcripts`, a schedule of `transcripts.py`, run with and without its bug planted;
"chance" = `tests/sim/raft/test_seeds`, found by a fixed seed when planted.

| # | defect | tests |
|---|---|---|
| D1 | acknowledged before it is on disk | chance `promise-before-sync`; `test_members`: what was acknowledged is there after a kill |
| D2 | term and vote lost | sched. a member votes once in a term, also after a restart; `test_journal`: any history |
| D3 | a late append cuts acknowledged entries | `test_guard`: an append that comes late …, a conflict with a committed entry …; chance `stale-truncation`; `test_kernel`: stock cuts … |
| D4 | an acknowledgement without a term | sched. an acknowledgement of an earlier term … |
| D5 | a snapshot's piece commits the own tail | `test_guard`: a piece of a snapshot commits nothing …; chance `snapshot-commits-tail` |
| D6 | a snapshot replaces a log that holds more | sched. a snapshot does not cut …; `test_guard`: a snapshot of what is held …; chance `snapshot-over-newer-log` |
| D7 | next index back and forth | `test_guard`: a follower far behind …, an acknowledgement does not send again …, a second reset … |
| D8 | votes counted per message | sched. a vote that arrives twice …; `test_guard`: a vote of a stranger … |
| D9 | a cut-off leader serves old data | sched. a leader that is cut off …; chance `read-before-noop`; `test_members`: a command without a majority … (steps down) |
| D10 | no pre-vote | sched. a member that is cut off …, a removed member that comes back … |
| D11 | several membership changes at once | sched. an isolated leader …, no membership change before the first entry … |
| D12 | a configuration in force when applied | sched. a membership change in the log …; `test_membership`: a function of snapshot and log |
| D13 | joiners and emptied disks vote | sched. a joiner with an empty log …; `test_members`: an id whose journal is gone …, a joiner does nothing … |
| D14 | an exception in apply repeats | `test_members`: a command that fails to apply … |
| D15 | an unknown VERSION applies twice | `test_messages`: entries that no honest leader sends; `test_kernel`: stock applies … |
| D16 | short logs raise | `test_guard`: two entries are enough … |
| D17 | large entries are pickled and split | `test_kernel`: a batch holds any command, stock cannot send …; `test_members`: too much is refused … |
| D18 | a journal without checksums | `test_journal`: torn, damaged, missing |
| D19 | a damaged dump is ignored | `test_snapshots`: a damaged or shortened snapshot …, … keeps the member from starting |
| D20 | snapshots by fork | `test_snapshots`: commands are applied while …, a half-written snapshot … |
| D21 | pickle from the wire | `test_messages`: a pickle is nothing, noise; `test_kernel`: no pickle is made or read |
| D22 | outcomes that are not what they say | sched. a proposal that a snapshot passed over …; chance `unknown-told-as-refused`; `test_guard`: a command is never forwarded; `test_members`: a disk that fails to sync … |
| D23 | the leader counts unsynced entries | sched. a leader counts its own entries after their sync |

Of the bugs in `swarmd.raft.planted`, two are found only together: `reset-below-match` and
`snapshot-over-matching-log` mask each other, since a follower that refuses the snapshot does not
need the leader to refuse the reset, and the reverse.
"""
