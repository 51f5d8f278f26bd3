"""The Engine port on a stock Docker Engine.

`client` asks it over its unix socket, `observe` reads its JSON into the port's structs, `streams`
takes its log and progress streams apart.  The last two do no I/O.
"""
