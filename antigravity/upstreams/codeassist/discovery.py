"""Finds the project of an account, and creates one if there is none."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec
from msgspec import Struct
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater

from antigravity.interfaces.upstreams import Credential
from antigravity.ir.errors import UpstreamError
from antigravity.protocols import lenient
from antigravity.upstreams.codeassist.single_flight import SingleFlight

#: The number of requests whether a new project is ready, and the seconds between them.
POLLS: Final = 10
POLL_INTERVAL: Final = 5.0

#: Calls a method of the internal API with a body and an access token; returns the response body.
Call = Callable[[str, bytes, str], Awaitable[bytes]]


class _Tier(Struct, rename="camel"):
    id: str = ""
    is_default: bool = False


class _Assist(Struct, rename="camel"):
    """The response of ``loadCodeAssist``."""

    cloudaicompanion_project: Any = None
    allowed_tiers: list[_Tier] | None = None


class _Operation(Struct):
    """The response of ``onboardUser``: an operation in progress."""

    done: bool = False
    response: dict[str, Any] | None = None


class ProjectDiscovery:
    """The projects of credentials, each requested once.

    An account without a project, or without a tier for a new one, is an error that names the
    setting.

    :param metadata: describes the gateway to the service.
    """

    def __init__(
        self, call: Call, clock: IReactorTime, upstream: str, metadata: dict[str, str]
    ) -> None:
        self._call = call
        self._clock = clock
        self._upstream = upstream
        self._metadata = metadata
        self._projects: dict[str, str] = {}
        self._requests: SingleFlight[str] = SingleFlight()

    def project(self, credential: Credential, token: str) -> Deferred[str]:
        """Return a Deferred that fires with the project of ``credential``."""
        project = self.known(credential)
        if project is not None:
            return succeed(project)
        return self._requests.join(
            credential.id, lambda: Deferred.fromCoroutine(self._find(credential, token))
        )

    def known(self, credential: Credential) -> str | None:
        """Return the project of ``credential``, ``None`` if it was not requested yet."""
        return self._projects.get(credential.id)

    async def _find(self, credential: Credential, token: str) -> str:
        body = msgspec.json.encode({"metadata": self._metadata})
        assist = self._decoded(await self._call("loadCodeAssist", body, token), _Assist)
        project = _name_of(assist.cloudaicompanion_project)
        if not project:
            project = await self._set_up(credential, assist, token)
        self._projects[credential.id] = project
        return project

    async def _set_up(self, credential: Credential, assist: _Assist, token: str) -> str:
        tier = next((tier.id for tier in assist.allowed_tiers or () if tier.is_default), "")
        if not tier:
            raise self._no_project(credential, "and no default tier to create one in")
        body = msgspec.json.encode({"tierId": tier, "metadata": self._metadata})
        for poll in range(POLLS):
            if poll:
                await deferLater(self._clock, POLL_INTERVAL)
            operation = self._decoded(await self._call("onboardUser", body, token), _Operation)
            if operation.done:
                project = _name_of((operation.response or {}).get("cloudaicompanionProject"))
                if project:
                    return project
                raise self._no_project(credential, "and none was created")
        raise self._no_project(credential, "and creating one takes too long")

    def _no_project(self, credential: Credential, why: str) -> UpstreamError:
        return UpstreamError(
            f"the account {credential.id} has no project, {why}; set "
            f"upstreams.{self._upstream}.project",
            code="project_missing",
        )

    def _decoded(self, body: bytes, kind: type[Any]) -> Any:
        try:
            return lenient.decode(body, kind)
        except msgspec.DecodeError:
            raise UpstreamError(
                f"upstream {self._upstream} sent a malformed response about an account"
            ) from None


def _name_of(project: object) -> str:
    """Return the id of a project, which is text or an object."""
    if isinstance(project, dict):
        project = project.get("id")
    return project if isinstance(project, str) else ""
