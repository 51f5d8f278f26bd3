"""The manager's mind (`control`, `scheduler`) and its side of the agents.

sessions     who is alive (pure)                  nodes      what sessions write into records (pure)
assignments  what a node must have (pure)         statuses   which reports are news (pure)
plane        what changed of what nodes must know of networks (pure)
planeparts   its parts, from the state (pure)
logs         lines from agents to readers
server       the loop: registers, beats, streams, commits
"""
