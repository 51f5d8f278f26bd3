"""Reaching services: published ports on every node, virtual addresses in every container.

marks       numbers and names of ours (pure)
balance     a chain that spreads new connections (pure)
reserve     published ports as a local program meets them
rules       the host's mesh as nftables text (pure)
routes      its routes, wanted minus observed (pure)
hairpin     ports of the ingress bridge; a task that is answered by itself (pure)
lingering   datagrams that stick to a backend that has left (pure)
firewall    what the engine's firewall must let through (pure)
vip         a container's VIPs as nftables text (pure)
host        all of that in this host's kernel
loop        keeps the host's mesh in line with the newest data plane; `leave`
vips        keeps the containers' tables in line
"""
