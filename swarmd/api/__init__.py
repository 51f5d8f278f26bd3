"""Docker's HTTP API: our part answered, the rest passed to the engine.

From the socket inwards: `server` (on the sockets that `listen` binds) finds a request's place in
`routes` and agrees on a version (`versions`).  What is the engine's goes through `passthrough`, or
through `hijack` if it turns into a raw stream.  What is ours or merged becomes a `message.Request`
for `front`, which knows all handlers by name; from there on nothing knows of HTTP or sockets.

Merged handlers (`merged` with `info`, `merged_networks` on the pure `network_views` and `documents`,
`merged_events`) ask the engine through `upstream`.  Handlers of the cluster (`swarm`, `nodes`,
`services`, `tasks`, `networks`, `logs`, `events`, and `notyet`) are put together by `nouns`: each noun
decides against the state (`decide_swarm`, `decide_node`, `decide_service`, `decide_network`), `cluster` is
what it needs of the daemon, and `leader` takes the question to the leader first.  `read`, `respond` and
`listing` are what handlers read requests and make answers with.
"""
