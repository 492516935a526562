"""The results of tests as JUnit's XML, which build servers read."""

from typing import TYPE_CHECKING
from xml.etree import ElementTree

from sandbox.core.text import clean

if TYPE_CHECKING:
    from sandbox.core.policy_trials import Trial
    from sandbox.usecases.policies import PolicyTestResult

# How a case ended, in JUnit's words.
_ENDINGS = {"failed": "failure", "wrong": "error"}


def junit(result: "PolicyTestResult") -> str:
    """Return the result as XML: one suite per file, one for rules without a test."""
    root = ElementTree.Element("testsuites", name="policy")
    for file in result.files:
        suite = ElementTree.SubElement(root, "testsuite", name=clean(file))
        for trial in result.trials:
            if trial.file == file:
                _case(suite, trial)
    missing = ElementTree.SubElement(root, "testsuite", name="every rule has a test")
    for rule in result.coverage.untested:
        _told(_entry(missing, rule, "it has a test"), "failure", "no test looks at this rule")
    if not result.trials:
        _told(_entry(missing, "policies/tests", "there are tests"), "failure", "there are no tests")
    for part in (*root, root):
        _count(part)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=False) + "\n"


def _case(suite: ElementTree.Element, trial: "Trial") -> None:
    name = clean(trial.name) or f"{trial.expect} at {trial.at or 'its point'}"
    entry = _entry(suite, trial.rule, name)
    entry.set("file", clean(trial.file))
    entry.set("line", str(trial.line))
    if trial.ending in _ENDINGS:
        said = clean(f"{trial.why.en} / {trial.why.ja}")
        _told(entry, _ENDINGS[trial.ending], said)


def _entry(suite: ElementTree.Element, rule: str, name: str) -> ElementTree.Element:
    return ElementTree.SubElement(suite, "testcase", classname=clean(rule), name=name)


def _told(entry: ElementTree.Element, kind: str, said: str) -> None:
    ElementTree.SubElement(entry, kind, message=said)


def _count(part: ElementTree.Element) -> None:
    part.set("tests", str(len([*part.iter("testcase")])))
    for kind, plural in (("failure", "failures"), ("error", "errors")):
        part.set(plural, str(len([*part.iter(kind)])))
