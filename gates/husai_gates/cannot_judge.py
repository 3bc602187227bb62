"""Cannot judge: why a rule has no answer on a condition, as the status, code and words of its cell."""

from __future__ import annotations

from husai_gates.decision import Status


class CannotJudge(Exception):
    """Raised anywhere below a rule; the judge makes a cell of it. Its status never releases."""

    def __init__(self, status: Status, code: str, says: str, next_step: str = "") -> None:
        self.status, self.code, self.says, self.next_step = status, code, says, next_step
        super().__init__(says)
