"""Networks between nodes: an engine bridge with one VXLAN port each.

observe     the output of `ip` and `bridge`, read into structs (pure)
entries     who is reached through a port: forwarding and neighbour entries (pure)
clash       a subnet that this node needs for something else (pure)
unlisted    a network that the engine keeps and does not list (pure)
ends        containers whose bridge was deleted under them (pure)
plan        wanted minus observed (pure)
attach      a task's place in its networks (pure)
carry       a look, and the carrying out of a plan; `leave`
loop        keeps the node's part in line with the newest data plane
"""
