"""The worker's side of a node: from assignments to containers, and back to statuses.

Decide (no I/O): `task` and `outcome` (one task: what next, and what an outcome changes), `worker`
(all tasks of the node), `assigned` (sets, differences, fencing), `outbox` (statuses to report),
`presence` (which containers are here), `actions`, `records`, `description`.

Act: `loop` (the `Agent`), `executor` (orders → engine), `observe` (engine → worker), `session` and
`dispatcher` (the leader), `logs`, `state` (disk), `waiting`.
"""
