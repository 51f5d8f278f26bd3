"""Names of services, answered on each node.

packets     questions read, answers written (pure)
zone        who may ask for what (pure)
upstreams   the host's servers, and which of them containers can reach (pure)
forward     questions handed on to those that they cannot
sockets     UDP and TCP on one address
server      the resolver: follows the newest data plane
"""
