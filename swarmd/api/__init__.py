"""Docker's HTTP API: our part answered, the rest passed to the engine.

From the socket inwards: `server` (on the sockets that `listen` binds) finds a request's place in
`routes` and agrees on a version (`versions`).  What is the engine's goes through `passthrough`, or
through `hijack` if it turns into a raw stream.  What is ours or merged becomes a `message.Request`
for `front`, which knows all handlers by name; from there on nothing knows of HTTP or sockets.

Merged handlers (`merged`, `merged_networks` on the pure `network_views` and `documents`) ask the
engine through `upstream`.  Handlers of the cluster are put together by `nouns`: each noun decides
against the state (`decide_*`), and `leader` takes the question to the leader first.  `read` and
`respond` are what handlers read requests and make answers with.
"""
