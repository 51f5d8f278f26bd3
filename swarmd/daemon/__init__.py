"""The daemon: the composition root, the only package that knows every part.

main         real ports, signals, the API's sockets       logs       one line per event
starting     what must hold before anything is touched    ports      what a daemon is built from
daemon       the process's life, in or out of a swarm     identity   what a node keeps on its disk
joining      how a node becomes one                       addresses  where it listens, what it tells
node         a node in a swarm                            links      calls to managers
methods      the calls between nodes, and who may make them
authority    the CA's calls
managing     comes and goes with the node's role          manager    what a manager adds to a node
membership   raft members follow the nodes' records       gossip_keys  a new one twice a day
dispatching  the agent's client of the dispatcher         following  which manager it asks
dataplane    what the leader says of networks, for the loops
serving      the same, without what is gone               withdrawals  telling others what is gone
witness      what this node can say of another's life
"""
