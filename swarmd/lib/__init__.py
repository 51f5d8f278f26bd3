"""Small helpers that know nothing of swarms.

tasks       supervision: the one place where a loop that failed is started again
backoff     pauses that grow         bell      wakes the one loop that waits for it
settled     lets others wait until a loop has done what it was told
remembered  what a pure function made of immutable objects
"""
