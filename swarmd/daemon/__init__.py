"""The daemon: the composition root, the only package that knows every part.

`daemon` the process's life, in or out of a swarm · `node` a node in a swarm · `manager` what a
manager adds · `leader` what leading adds · `membership` raft members follow the nodes' records ·
`authority` the CA's calls · `joining` how a node becomes one · `links` calls to other nodes ·
`methods` who may call what · `dispatching` the agent's client · `cluster` what the API needs ·
`identity` what a node keeps on its disk · `main` real ports, signals, logs.
"""
