"""The two modes: how they differ, and what a request gets that says nothing."""

from collections.abc import Iterator

from sandbox.core.ports import Context
from sandbox.core.profiles import Profile
from sandbox.core.settings import DefaultSettings
from sandbox.core.values import Request, Result
from sandbox.usecases.desk import answers


class ModesResult(Result):
    """The profiles of the home, by name; `ttl` is what a sandbox gets that says nothing."""

    modes: tuple[Profile, ...]
    ttl: str


class ModesRequest(Request[ModesResult]):
    """Ask how the modes differ."""


@answers(ModesRequest)
def modes(context: Context, request: ModesRequest) -> ModesResult:
    """Return the profiles; raises InvalidInput for a file that cannot be read."""
    return ModesResult(modes=tuple(_profiles(context)), ttl=defaults_here(context).ttl)


def defaults_here(context: Context) -> DefaultSettings:
    """Return what a request gets; what `sandbox.yaml` says goes before what a profile says."""
    said = context.settings.defaults
    if "ttl" in said.model_fields_set:
        return said
    for profile in _profiles(context):
        if profile.defaults.ttl and profile.of_sandboxes:
            return said.model_copy(update={"ttl": profile.defaults.ttl})
    return said


def _profiles(context: Context) -> Iterator[Profile]:
    for file in context.catalogue.policy_files():
        if profile := context.catalogue.policy_file(file).profile:
            yield profile
