"""A cluster in one process, from a seed; never imported by the product.

    loop      an asyncio loop in virtual time, shuffled by the seed
    chance    clocks that drift and jump, randomness          host     a machine, a life of its daemon
    disk      loses what was not synced                       crypto   certificates in clear
    net       streams and datagrams with every fault of IP    engine   containers
    kernel    links, entries, routes                          world    all of these, and the daemons
    client    a client that retries under the same request id
    wishes    what clients were told      workload   of services and networks      operators   of nodes
    faults    what befalls the world      story      what happened to one thing, told
    checkers  what must never be          trace      the digest of a run
    ending    what must be in the end     room       where a task may be
    reaching  who gets what is sent       packets    the kernels' tables, followed by hand
    run       boot, break, heal, demand

`python -m swarmd.sim --seed 7`; with `--story alpha` it tells meanwhile what happens to a service, a
task or a host.  More can be seen with `World.trace.listener` set and logs on; nothing of it moves the
run.
"""
