"""Consensus on bytes, on pysyncobj; knows no model.

What others use is in `interface` (the `Raft` and `StateMachine` protocols, `RaftConfig`, `Status`,
the errors), `identity` (bootstrap, join, wipe) and `member` (the one real `Raft`).

    interface      what callers see
    member         loop: the turn, and the calls of the interface          (I/O)
    links          connections and their frames                           (I/O)
    identity       what a disk is: whose, and whether a cluster began on it (I/O)
    core           one member without I/O: everything below, put together
    guard          the filter that every message passes, out and in
    questions      pre-votes and reads
    catchup        when a learner may vote
    membership     who votes, as a function of snapshot and log
    kernel         the one importer of pysyncobj
    translate      its dictionaries against typed calls
    pinned         refuses any other text of it
    messages       what members say to each other
    records        the log in memory, and its changes as records
    journal        records in sealed batches in segments: the format
    journalfile    the same on a disk                                     (I/O)
    image          a snapshot as bytes
    transfers      snapshots on their way
    snapshotfile   the same on a disk                                     (I/O)
    reconcile      log against snapshot, after a start
    storage        journal and snapshot together, and their order         (I/O)
    snapshotter    takes and brings snapshots, beside the turns           (I/O)
    waiting        callers that wait for a turn
    seal           keys of segments
    planted        bugs that tests plant
"""
