"""What the leader decides: passes over a view, run by one loop.

control       the row of passes                   agenda     which services are due, and when
plan          a fork on which passes see each other's changes
step          what a pass returns                 slots      a service's tasks by their place
replicated, global_services                       enforce    tasks that may not stay, or have no node
restart       a slot's next task                  update     slot by slot to the new spec
allocate      VNIs, subnets, addresses, ports     addresses  numbers to give away
reap          what nobody needs any more          roles      how raft members follow the nodes
loop          await, plan, commit (the only I/O)
"""
