"""Where the two sides differ, and the section of docs/differences.md that says why."""

from typing import NamedTuple, Optional


class Difference(NamedTuple):
    section: str
    # Regular expressions that match wholly: the programs, the steps and the path of the difference, and both values.
    programs: str
    steps: str
    path: str
    official: Optional[str] = None
    library: Optional[str] = None


DIFFERENCES = []
