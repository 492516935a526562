"""The files of `policies/`: sets of rules, profiles, and tests of rules."""

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import TYPE_CHECKING

from sandbox.core.errors import InvalidInput
from sandbox.core.policy_files import PolicyFile
from sandbox.core.profiles import Profile
from sandbox.core.rules import PolicyMetadata, PolicySet, Rule
from sandbox.core.text import clean
from sandbox.drivers.catalogue.reading import load_placed
from sandbox.drivers.catalogue.strict_yaml import Document, load, refuse

if TYPE_CHECKING:
    from sandbox.core.policy_tests import PlacedTests

FOLDER = "policies"
PROFILES = f"{FOLDER}/profiles"
TESTS = f"{FOLDER}/tests"


class PolicyFiles:
    """What a home has under `policies/`.

    `names` lists the YAML files of a folder, `folders` the folders in it; `read` gives the content
    of a file.
    """

    def __init__(
        self,
        names: Callable[[str], list[str]],
        folders: Callable[[str], list[str]],
        read: Callable[[str], bytes],
    ) -> None:
        self._names, self._folders, self._read = names, folders, read

    def files(self) -> list[str]:
        """Return the files that have rules, those of profiles last.

        Raises InvalidInput for one in a folder where none is read.
        """
        for folder in (f"{FOLDER}/{name}" for name in self._folders(FOLDER)):
            unread = self._below(folder) if folder not in (PROFILES, TESTS) else []
            if unread:
                raise InvalidInput(
                    "No file is read there, so nobody would keep its rules.",
                    subject=unread[0],
                    hint=f"Move it to {FOLDER}/, or out of it.",
                )
        return self._below(FOLDER) + self._below(PROFILES)

    def file(self, file: str) -> PolicyFile:
        """Return one of `files`; raises InvalidInput, with its place, for what is wrong in it."""
        return _placed(file, self._read(file))[0]

    def merged(self) -> PolicySet:
        """Return the rules of all files as one set.

        Raises InvalidInput if there is none (a home without rules denies nothing by mistake), or
        if two rules have one id, naming both places.
        """
        if not self._below(FOLDER):
            raise InvalidInput(
                "This home has no policy, so nothing can be allowed.",
                subject=f"{FOLDER}/",
                hint="Restore policies/baseline.yaml.",
            )
        return _whole(tuple((file, self._read(file)) for file in self.files()))

    def tests(self) -> list[str]:
        """Return the files that have tests of rules."""
        return self._below(TESTS)

    def test_file(self, file: str) -> "PlacedTests":
        """Return one of `tests`; raises InvalidInput, with its place, for what is wrong in it."""
        # Late: no other command needs it.
        from sandbox.core.policy_tests import PlacedTests, PolicyTests

        content, document = load_placed(PolicyTests, file, self._read(file))
        lines = _lines(document, "tests", len(content.tests))
        return PlacedTests(file=file, content=content, lines=lines)

    def _below(self, folder: str) -> list[str]:
        return [f"{folder}/{name}" for name in self._names(folder)]


def _placed(file: str, raw: bytes) -> tuple[PolicyFile, Document]:
    profile = None
    if file.startswith(f"{PROFILES}/"):
        profile, document = load_placed(Profile, file, raw)
        policies = profile.as_set()
    else:
        policies, document = load_placed(PolicySet, file, raw)
    lines = _lines(document, "rules", len(policies.rules))
    return PolicyFile(file=file, policies=policies, lines=lines, profile=profile), document


def place_of(name: str, raw: bytes) -> str:
    """Return where below the home a file of this name and content belongs, by its kind.

    Raises InvalidInput for a name under which no file is read.
    """
    if "/" in name or name.startswith(".") or not name.endswith(".yaml"):
        raise InvalidInput(
            "The file's name must end in .yaml to be read.",
            subject=clean(name) or FOLDER,
            hint="Rename it.",
        )
    content = load(name, raw).content
    kind = content.get("kind") if isinstance(content, dict) else ""
    folder = PROFILES if kind == "Profile" else TESTS if kind == "PolicyTests" else FOLDER
    return f"{folder}/{name}"


def _lines(document: Document, key: str, count: int) -> tuple[int, ...]:
    return tuple(document.position((key, number))[0] for number in range(count))


def _ids_once(loaded: Iterable[tuple[PolicyFile, Document]]) -> None:
    places: dict[str, str] = {}
    for each, document in loaded:
        for number, rule in enumerate(each.policies.rules):
            here = document.position(("rules", number, "id"))
            if rule.id in places:
                refuse(
                    each.file,
                    here,
                    f"the rule {rule.id} stands in {places[rule.id]} already.",
                    "Give one of them another id.",
                )
            places[rule.id] = f"{each.file}:{here[0]}"


@lru_cache(maxsize=8)
def _whole(files: tuple[tuple[str, bytes], ...]) -> PolicySet:
    # Kept by content, as single files are: `up` asks for the rules at every judgement.
    loaded = [_placed(file, raw) for file, raw in files]
    _ids_once(loaded)
    return _merged([each.policies for each, _ in loaded])


def _merged(sets: list[PolicySet]) -> PolicySet:
    if len(sets) == 1:
        return sets[0]
    metadata = [policies.metadata for policies in sets]
    return sets[0].model_copy(
        update={
            "metadata": PolicyMetadata(
                name="+".join(m.name for m in metadata),
                version="+".join(m.version for m in metadata),
                owner="+".join(dict.fromkeys(m.owner for m in metadata)),
                change="+".join(dict.fromkeys(m.change for m in metadata)),
            ),
            "effective_from": min(policies.effective_from for policies in sets),
            "rules": tuple(_dated(rule, policies) for policies in sets for rule in policies.rules),
        }
    )


def _dated(rule: Rule, policies: PolicySet) -> Rule:
    # Each file keeps its own first day when it becomes part of one set.
    return rule.model_copy(
        update={"effective_from": rule.effective_from or policies.effective_from}
    )
