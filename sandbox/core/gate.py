"""The leak gate: whether a snapshot may leave, judged by what stands in it.

What keeps something of its values (`plain`, `coarse`; see `places`) is shown to the detectors, and
to a sample of real values; what is `made` or `fixed` must have its mask's form, and what is made
must differ from its source. Leaks are counts, never values.
"""

from collections.abc import Iterator, Mapping

from sandbox.core.detecting import Found, suspicions
from sandbox.core.detectors import BY_ID, DETECTORS
from sandbox.core.leaks import Accepted, Leak
from sandbox.core.places import Place
from sandbox.core.source import CLASSES, HIDDEN

# What has a name of its own beside the detectors; a source file may accept all but canaries and k.
UNCHANGED, FORM, EQUAL, REAL, CANARY = "unchanged", "form", "equal", "real-value", "canary"
UNIQUE, REFERENCE, TOO_FEW = "unique", "reference", "k"
ACCEPTABLE = frozenset({*BY_ID, UNCHANGED, FORM, EQUAL, REAL, UNIQUE, REFERENCE})
# What everybody knows of shops, firms and authors.
_KNOWN_TO_ALL = frozenset(
    {"name-kanji", "name-kana", "name-latin", "address", "postcode", "phone-jp", "phone-abroad"}
)
# Fewer values that are coarse already tell nothing of their mask.
FEWEST_UNCHANGED = 20


def suspected(place: Place, values: int, found: Mapping[str, Found]) -> Iterator[Leak]:
    """Yield what the detectors' counts of a place mean, but for what its class may hold."""
    for suspicion in suspicions(DETECTORS, place.word, values, found):
        if not tolerated(place, suspicion.detector):
            yield place.leak(suspicion.detector, suspicion.count, suspicion.because)


def tolerated(place: Place, detector: str) -> bool:
    """Say whether a place's class and mask let it hold what a detector finds.

    A preserved column may hold what its class allows, a public one what everybody knows, and a
    date made coarse is still a date.
    """
    if place.mask.method == "preserve":
        found = BY_ID[detector].data_class
        return CLASSES.index(found) <= CLASSES.index(place.data_class)
    if place.data_class == "public":
        return detector in _KNOWN_TO_ALL
    return detector == "birth-date" and place.mask.to in ("year", "month")


def unchanged(place: Place, values: int, equal: int) -> Iterator[Leak]:
    """Yield a leak where a coarse mask of a hidden class left every one of many values alone."""
    if place.data_class in HIDDEN and equal == values >= FEWEST_UNCHANGED:
        yield place.leak(UNCHANGED, equal, "the mask changed no value")


def sorted_out(
    leaks: list[Leak], accept: Mapping[tuple[str, str], Mapping[str, str]]
) -> tuple[tuple[Leak, ...], tuple[Accepted, ...]]:
    """Return the leaks that stand, and those that the source file accepts by (table, column)."""
    stand, accepted = [], []
    for leak in leaks:
        column = leak.column.split(" $", 1)[0]
        reason = accept.get((leak.table, column), {}).get(leak.detector)
        if reason:
            accepted.append(Accepted(leak=leak, reason=reason))
        else:
            stand.append(leak)
    return tuple(stand), tuple(accepted)


VERSIONS: Mapping[str, int] = {detector.id: detector.version for detector in DETECTORS}
