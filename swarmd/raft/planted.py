"""Bugs that a test may plant, to prove that the tests find them.  Empty in the product, always.

A rule without a test that fails without it is not a rule.  Each name stands where the rule is
applied: `if "ack-without-term" not in PLANTED: ...`.
"""

#: What is planted now; tests add and remove, nobody else.
PLANTED: set[str] = set()

#: Every bug that can be planted, and the rule that it breaks.
NAMES = {
    "ack-without-term": "an acknowledgement counts in its own term only (D4)",
    "change-before-noop": "no membership change before the leader's first entry (D11)",
    "commits-earlier-term": "only entries of the own term are committed by counting (paper §5.4.2)",
    "config-from-applied": "a configuration is in force from the log on, also after a restart (D12)",
    "duplicate-votes": "a vote counts once, and members' only (D8)",
    "joiner-campaigns": "nobody campaigns whom its own log does not name (D13)",
    "leader-counts-unsynced": "the leader counts its own entries after its sync (D23)",
    "no-prevote": "a campaign begins with a question (D10)",
    "promise-before-sync": "promises leave after the sync (D1)",
    "read-before-noop": "reads wait for the leader's first entry",
    "read-without-barrier": "a read is confirmed by a majority (D9)",
    "reset-below-match": "a reset below what was acknowledged is an old message (D6)",
    "restart-applies-twice": "the last entry of a snapshot is applied",
    "snapshot-commits-tail": "a snapshot's piece commits nothing of the own tail (D5)",
    "snapshot-not-synced": "a snapshot is on disk before the log in front of it goes",
    "snapshot-over-matching-log": "a snapshot does not replace a log that holds its end (D6)",
    "snapshot-over-newer-log": "a snapshot does not replace a log that holds more (D6)",
    "stale-truncation": "only a conflict deletes entries (D3)",
    "two-changes-at-once": "one membership change at a time (D11)",
    "unknown-told-as-refused": "an outcome that nobody knows is told as unknown (D22)",
    "vote-not-stored": "the vote is on disk before it leaves (D2)",
}
