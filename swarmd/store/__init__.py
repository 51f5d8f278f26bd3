"""The replicated records.

entry      what an entry of the log is        apply      the same on every member
view       tables, indexes, and views of them usage      what the tasks of a node take
find       what a client means                clock      cluster time
sequencer  where the leader decides writes    store      the loop around it all
"""
