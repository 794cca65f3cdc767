"""The operator's requests about the installation and the text of its configuration."""

from __future__ import annotations

from collections.abc import Iterator

from antigravity.interfaces.admin_routes import AdminRoute
from antigravity.interfaces.administration import IAdministration
from antigravity.interfaces.system import (
    ConfigurationChanged,
    ConfigurationCheck,
    ConfigurationText,
    ConfigurationView,
    DoctorReport,
    ISystemControl,
    SystemReport,
)
from antigravity.ir.errors import ConflictError


class SystemRequests:
    """The requests about the installation of an administration."""

    def __init__(self, administration: IAdministration) -> None:
        self._administration = administration

    @property
    def _system(self) -> ISystemControl:
        control: ISystemControl = self._administration.system
        return control

    def routes(self) -> Iterator[AdminRoute]:
        """Yield the declaration of each request."""
        yield AdminRoute(
            method="GET",
            path="/admin/system",
            summary="Show versions, listeners, plugins, tools, and the sizes of what is stored.",
            response=SystemReport,
            handler=lambda: self._system.report(),
        )
        yield AdminRoute(
            method="POST",
            path="/admin/doctor",
            summary="Run the checks of 'antigravity doctor'.",
            response=DoctorReport,
            handler=lambda: self._system.examine(),
        )
        yield AdminRoute(
            method="GET",
            path="/admin/configuration",
            summary="List all settings in force with their sources; secrets are masked.",
            response=ConfigurationView,
            handler=lambda: self._system.configuration(),
        )
        yield AdminRoute(
            method="GET",
            path="/admin/configuration/text",
            summary="Show the configuration file with placeholders in the places of secrets.",
            response=ConfigurationText,
            errors=(ConflictError,),
            handler=lambda: self._system.read_text(),
        )
        yield AdminRoute(
            method="POST",
            path="/admin/configuration/check",
            summary="Show the problems of a text for the configuration file; nothing is written.",
            body=ConfigurationText,
            example={"text": "[proxy]\nport = 8045\n", "version": "VERSION"},
            response=ConfigurationCheck,
            errors=(ConflictError,),
            handler=lambda body: self._system.check_text(body),
        )
        yield AdminRoute(
            method="PUT",
            path="/admin/configuration/text",
            summary="Write the configuration file, and use it.",
            body=ConfigurationText,
            example={"text": "[proxy]\nport = 8045\n", "version": "VERSION"},
            response=ConfigurationChanged,
            errors=(ConflictError,),
            handler=lambda body: self._system.write_text(body),
        )
