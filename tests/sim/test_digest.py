"""A seed is one run: the same to the byte in another process with another hash seed."""

import os
import subprocess
import sys


def digest(seed: int, hash_seed: str) -> str:
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    done = subprocess.run(
        [sys.executable, "-m", "swarmd.sim", "--seed", str(seed)],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return done.stdout.splitlines()[-1]


def test_a_seed_replays_byte_for_byte_under_another_hash_seed() -> None:
    first = digest(5, "1")
    assert first.startswith("digest: ")
    assert digest(5, "2") == first
