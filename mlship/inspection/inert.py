"""What a pickle's calls and names become: records that do nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, eq=False, slots=True)
class Global:
    """A class or function that the file names; never imported."""

    module: str
    name: str


@dataclass(eq=False, slots=True)
class Inert:
    """Stands for what a call would return: which callable, its arguments, the state set on it."""

    origin: Global
    args: tuple[Any, ...] = ()
    state: Any = None
    built: bool = False
    items: list[tuple[Any, Any]] = field(default_factory=list)
    values: list[Any] = field(default_factory=list)

    @property
    def target(self) -> Global:
        """What is made, looking through ``copyreg._reconstructor(cls, ...)`` and its like."""
        first = self.args[0] if self.args else None
        if self.origin.name in ("_reconstructor", "__newobj__") and isinstance(first, Global):
            return first
        return self.origin

    @property
    def module(self) -> str:
        """The module of the class this stands for."""
        return self.target.module

    @property
    def name(self) -> str:
        """The name of the class this stands for."""
        return self.target.name

    def get(self, attribute: str, default: Any = None) -> Any:
        """Return an attribute from the recorded ``__dict__`` or slots."""
        state = self.state
        if isinstance(state, tuple) and len(state) == 2:  # (dict, slots)
            state = {
                key: value
                for part in state
                if isinstance(part, dict)
                for key, value in part.items()
            }
        return state.get(attribute, default) if isinstance(state, dict) else default
