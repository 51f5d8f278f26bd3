from pathlib import Path

import pytest

from swarmd.compose import load, specs, stack_plan

FOLDER = Path(__file__).parents[3] / "compose-examples"
EXAMPLES = sorted(path.name for path in FOLDER.glob("*.yml"))


def test_the_examples_that_the_readme_names_are_there() -> None:
    readme = (FOLDER / "README.md").read_text()
    assert EXAMPLES == ["global.yml", "placement.yml", "web-backend.yml", "web.yml"]
    assert all(f"`{name}`" in readme for name in EXAMPLES)


@pytest.mark.parametrize("name", EXAMPLES)
def test_each_example_deploys_without_a_note_and_says_how(name: str) -> None:
    text = (FOLDER / name).read_text()
    found = load([(name, text)], {})
    assert found.notes == ()
    wanted = specs(found, "demo")
    assert stack_plan(wanted, [], [], prune=True, resolve_image="never")
    assert f"swarmd stack deploy -c compose-examples/{name} " in text.split("\n\nservices")[0]
    assert all(entry.get("image") == "busybox" for entry in found.model["services"].values())


@pytest.mark.parametrize("name", EXAMPLES)
def test_dollars_of_the_containers_shell_are_written_twice(name: str) -> None:
    code = "\n".join(
        line for line in (FOLDER / name).read_text().splitlines() if not line.startswith("#")
    )
    assert "$" not in code.replace("$$", "").replace("${PORT:-", "")
