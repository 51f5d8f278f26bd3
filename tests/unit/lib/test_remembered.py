"""A function that remembers what it made."""

from swarmd.lib.remembered import Remembered


class Counted:
    """Makes the length of a list."""

    def __init__(self) -> None:
        self.asked: list[list[int]] = []

    def __call__(self, value: list[int]) -> int:
        self.asked.append(value)
        return len(value)


def test_the_same_object_is_asked_about_once_and_an_equal_one_again() -> None:
    make = Counted()
    remembered = Remembered(make, 10)
    one, other = [1, 2], [1, 2]
    assert [remembered(one), remembered(one), remembered(other)] == [2, 2, 2]
    assert len(make.asked) == 2


def test_no_more_is_kept_than_was_agreed_and_the_oldest_goes() -> None:
    make = Counted()
    remembered = Remembered(make, 2)
    lists = [[0] * n for n in range(3)]
    assert [remembered(one) for one in (*lists, *reversed(lists))] == [0, 1, 2, 2, 1, 0]
    assert [len(one) for one in make.asked] == [0, 1, 2, 0]


def test_objects_that_come_one_after_the_other_to_the_same_place_are_not_confused() -> None:
    remembered = Remembered(Counted(), 4)
    assert [remembered([0] * (n % 7)) for n in range(1000)] == [n % 7 for n in range(1000)]
