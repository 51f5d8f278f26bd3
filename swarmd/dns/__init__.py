"""Names of services, answered on each node.

packets     questions read, answers written (pure)
zone        who may ask for what (pure)
upstreams   the host's servers that containers can reach (pure)
sockets     UDP and TCP on one address
server      the resolver: follows the newest data plane
"""
