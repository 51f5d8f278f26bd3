"""A seed that failed can be read: it is named, and run again it tells what happened."""

import logging

import pytest
from click.testing import CliRunner

from swarmd.sim.__main__ import main
from swarmd.sim.run import MIX, Mix, Outcome, run
from swarmd.sim.story import Story
from swarmd.sim.world import World
from swarmd.store.view import Tables


def outcome(violation: str, mix: Mix = MIX) -> Outcome:
    return Outcome(digest="", violation=violation, answered=1, steps=1, command=mix.command(7))


def test_a_violation_is_told_with_the_command_that_shows_it_again() -> None:
    task = "0d8qbn0d6bqsm447ppiek0cya"
    report = outcome(f"39.364 s: h4 removed the running container of task {task}").report
    again = "to see it again: python -m swarmd.sim --seed 7 --story"
    assert report.splitlines()[1] == f"{again} {task}"
    report = outcome("185.296 s: not well 120 s after everything was healed: h5: what?").report
    assert report.splitlines()[1] == f"{again} h5"


def test_the_command_names_the_mix_of_nodes_and_faults() -> None:
    stalls = Mix(managers=1, workers=4, faults=("stall",))
    words = "python -m swarmd.sim --seed 7 --managers 1 --workers 4 --fault stall"
    assert outcome("", stalls).report.startswith(words)


def test_a_story_is_told_and_moves_nothing() -> None:
    lines: list[str] = []

    def tell(world: World) -> None:
        Story(world, "alpha", lines.append)

    assert run(0, tell).digest == run(0).digest
    told = "\n".join(lines)
    assert "alpha: spec 1" in told
    assert ": running, to be running; started (alpha)" in told
    assert "fault" in told
    assert "beta" not in told


def test_a_violation_is_printed_and_ends_the_command_with_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Tables, "remember", lambda _tables, _request_id, _index: None)
    try:
        ran = CliRunner().invoke(main, ["--seed", "0"])
    finally:
        logging.disable(logging.NOTSET)
    violation, again, digest = ran.stdout.splitlines()
    assert "does not have it" in violation
    assert again.startswith("to see it again: python -m swarmd.sim --seed 0")
    assert digest.startswith("digest: ")
    assert ran.exit_code == 1
