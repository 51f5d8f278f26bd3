"""The Engine port on a stock Docker Engine.

`client` has the port's verbs, `calls` asks over the engine's unix socket, `observe` reads its JSON
into the port's structs, `streams` takes its log and progress streams apart, `version` compares API
versions.  The last three do no I/O.
"""
