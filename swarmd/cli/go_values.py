"""Values of Go types in a template: how they print and count is said in `template_values`."""


class GoList(list[object]):
    """A slice's values."""

    def __init__(self, raw: object, items: list[object]) -> None:
        super().__init__(items)
        #: what the API said
        self.raw = raw


class GoMap(dict[str, object]):
    """A map's values."""

    def __init__(self, raw: object, items: dict[str, object]) -> None:
        super().__init__(items)
        #: what the API said
        self.raw = raw


class GoStruct(dict[str, object]):
    """A struct's members."""

    def __init__(self, name: str, raw: object, members: dict[str, object]) -> None:
        super().__init__(members)
        #: of its type
        self.name = name
        #: what the API said
        self.raw = raw

    def __bool__(self) -> bool:
        """Go: a struct is never empty."""
        return True


class Nil:
    """A pointer to nothing."""

    raw = None

    def __str__(self) -> str:
        """As Go prints it."""
        return "<nil>"

    def __bool__(self) -> bool:
        """Go: it counts as empty."""
        return False


NIL = Nil()
