"""A cluster in one process, from a seed; never imported by the product.

    loop      an asyncio loop in virtual time, shuffled by the seed
    chance    clocks that drift and jump, randomness          host     a machine, a life of its daemon
    disk      loses what was not synced                       crypto   certificates in clear
    net       streams and datagrams with every fault of IP    engine   containers
    kernel    links, entries, routes                          world    all of these, and the daemons
    workload  clients, and what they were told                faults   what befalls the world
    checkers  what must never be                              ending   what must be in the end
    trace     the digest of a run                             run      boot, break, heal, demand

`python -m swarmd.sim --seed 7`.  A violation is looked into by running the seed again with
`World.trace.listener` set and logs on: neither moves the run.
"""
