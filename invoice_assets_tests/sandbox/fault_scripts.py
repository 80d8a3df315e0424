"""Scripted faults: which fault strikes which requests, and how often.

A fault strikes a list request only when that would otherwise have been answered with a page, so that a dead token, say,
does not use it up. A token fault strikes any token request. What each fault does is in `faults.py`.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

from invoice_assets_tests.sandbox.faults import FAULTS, Fault, FaultParameters


@dataclass(kw_only=True)
class ScriptedFault:
    """One fault waiting for its requests; None means every resource, every page, or for ever."""

    fault: Fault
    parameters: FaultParameters
    resource: str | None = None
    page: int | None = None
    times: int | None = None
    after: int = 0

    def matches(self, *, resource: str | None, page: int | None, is_for_tokens: bool) -> bool:
        """Return whether this fault is meant for such a request."""
        return (
            self.fault.is_for_tokens == is_for_tokens
            and self.resource in {None, resource}
            and self.page in {None, page}
            and self.times != 0
        )

    def describe(self) -> dict[str, Any]:
        """Return the script as JSON values."""
        return {
            "name": self.fault.name,
            "description": self.fault.description,
            "resource": self.resource,
            "page": self.page,
            "times": self.times,
            "after": self.after,
        }


class FaultScripts:
    """The scripted faults in the order in which they were added; safe to use from several threads."""

    def __init__(self) -> None:
        """Start without faults."""
        self._scripts: list[ScriptedFault] = []
        self._lock = threading.Lock()

    def add(
        self,
        name: str,
        *,
        resource: str | None = None,
        page: int | None = None,
        times: int | None = None,
        after: int = 0,
        **parameters: Any,
    ) -> None:
        """Script a fault for `times` requests, after letting `after` matching ones pass.

        Raises:
            ValueError: There is no fault of that name, or it is about tokens and names a resource or a page.
            TypeError: A parameter is unknown.
        """
        if name not in FAULTS:
            raise ValueError(f"no fault is called {name!r}; there are {', '.join(FAULTS)}")
        fault = FAULTS[name]
        if fault.is_for_tokens and (resource is not None or page is not None):
            raise ValueError(f"{name} is about token requests, which have no resource and no page")
        script = ScriptedFault(
            fault=fault,
            parameters=FaultParameters(**parameters),
            resource=resource,
            page=page,
            times=times,
            after=after,
        )
        with self._lock:
            self._scripts.append(script)

    def take(
        self, *, resource: str | None = None, page: int | None = None, is_for_tokens: bool = False
    ) -> ScriptedFault | None:
        """Return the fault that strikes this request, if any, and count it as used."""
        with self._lock:
            for script in self._scripts:
                if not script.matches(resource=resource, page=page, is_for_tokens=is_for_tokens):
                    continue
                if script.after > 0:
                    script.after -= 1
                    continue
                if script.times is not None:
                    script.times -= 1
                return script
        return None

    def clear(self) -> int:
        """Forget every scripted fault; how many more requests those for some `times` would have struck."""
        with self._lock:
            left = sum(script.times or 0 for script in self._scripts)
            self._scripts.clear()
        return left

    def describe(self) -> list[dict[str, Any]]:
        """Return the scripts as JSON values, used-up ones left out."""
        with self._lock:
            return [script.describe() for script in self._scripts if script.times != 0]
