"""A lab of throw-away hosts on one Linux machine, for the real tests and the demo.

Each host is made of Linux namespaces (network, mount, PID, UTS, IPC).  It has its own `/run`, `/etc`
(an overlay), `/sys`, `/proc` and hostname, its own address on a common underlay bridge and, if
wanted, its own `dockerd`.  The underlay bridge lives in a namespace of its own, so nothing is added
to the machine's own network unless an uplink is asked for.  Because every host has its own PID
namespace, killing a host's init is an instant power failure: its engine, containers, mounts,
bridges, VXLAN devices and firewall rules all vanish.

__main__    the command line: `python -m tools.lab create 3 --dockerd`
lab         the lab as Python sees it
underlay    the network between the hosts, and its faults
engine      a host's dockerd, from outside
swarmd      a host's swarmd, from outside
processes   how they are found and ended
unix_http   one request to either of them
busybox     the image that is imported, made of the machine's static busybox
records     what the lab remembers
host        what becomes a host: its namespaces, its mounts, its PID 1
enter       a command inside a host
linux       the system calls of all that
shell       `ip` and friends

What to know:

- Root, iproute2, busybox-static and, for engines, iptables and runc.  Standard library only.
- Disk state survives `poweroff`; `/run` is empty after `poweron`.
- A host starts with `ip_forward=0` when it gets an engine, so that the engine sets `FORWARD` to DROP
  as on a fresh machine.
- `ip netns exec` is no substitute for `exec`: it remounts `/sys` and hides cgroup v1 from dockerd.
- PIDs differ inside and outside.
- All hosts share kernel, clock and files (except `/run`, `/etc` and the engine's data).
- One-way cuts poison the neighbour entry: they also stop ARP answers, not only IP.
"""
