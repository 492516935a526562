"""The first draft of a source file: for each column a class, a mask, and why. For people to review.

Where a detector finds nothing, nothing is known: the column is personal and stays empty until
somebody says what it is. What tables join by is masked alike. Reasons are detectors and shares,
never values. Pure.
"""

from collections.abc import Iterable, Iterator, Mapping

from sandbox.core.detecting import Detector, Suspicion, kind_of
from sandbox.core.detectors import BY_ID, DETECTORS
from sandbox.core.joins import Spot, called, groups, references, single_keys
from sandbox.core.masking import ALLOWED, DATES
from sandbox.core.relations import ONE_TO_ONE
from sandbox.core.source import CLASSES, NEVER_KEPT, STRICT, Column, DataClass, Mask
from sandbox.core.survey import ColumnSurvey, Survey, TableSurvey
from sandbox.core.values import Value

# A column is all of what a detector finds if so much of it is; less, if its name says so, too.
_WHOLE, _NAMED = 0.8, 0.3
_NAMED_JOINS = 3
_WIDE = ("INTEGER", "BIGINT")
_PLAIN = ("VARCHAR", "ENUM", "UUID", *DATES, "SMALLINT", *_WIDE, "HUGEINT")
_UNKNOWN: DataClass = "personal"


class DraftColumn(Value):
    """What is proposed for a column, and why, in words."""

    rule: Column
    why: str


class DraftTable(Value):
    """What is proposed for a table, of which so many `rows` were looked at."""

    rows: int
    columns: dict[str, DraftColumn]
    references: dict[str, str]


def drafted(survey: Survey) -> dict[str, DraftTable]:
    """Return what is proposed for each table of a survey, in its order."""
    keys = single_keys(survey)
    linked = _linked(survey, keys)
    leads: dict[str, dict[str, str]] = {}
    for r in references(survey):
        leads.setdefault(r.table, {})[r.columns[0]] = f"{r.key.table}.{r.key.columns[0]}"
    return {
        table.name: DraftTable(
            rows=table.rows,
            columns=_with_subject(table, keys, dict(_columns(table, linked, keys))),
            references=leads.get(table.name, {}),
        )
        for table in survey.tables
    }


def _columns(
    table: TableSurvey, linked: Mapping[Spot, DraftColumn], keys: set[Spot]
) -> Iterator[tuple[str, DraftColumn]]:
    for column in table.columns:
        spot = (table.name, column.name)
        alone = _alone(column, spot if spot in keys else None)
        yield column.name, alone if column.unseen else linked.get(spot, alone)


def _linked(survey: Survey, keys: set[Spot]) -> dict[Spot, DraftColumn]:
    """Return what is proposed for the columns that tables join by: one rule for each group."""
    there = survey.columns()
    found: dict[Spot, DraftColumn] = {}
    for group in groups(survey):
        ordered = sorted(group, key=lambda spot: (spot not in keys, spot))
        columns = [there[spot] for spot in ordered]
        told = [(c, f) for c in columns for f in _findings(c)]
        data_class = _highest(f for _, f in told)
        whole = next((d for c, d in told if _whole(c, d) and _fits(d.mask, c.type)), None)
        mask = _joining(columns, data_class, whole, called(ordered[0]))
        because = _told(told[0][0]) if told else ""
        for spot in group:
            others = [f"{t}.{c}" for t, c in ordered if (t, c) != spot]
            more = f" and {len(others) - _NAMED_JOINS} more" if len(others) > _NAMED_JOINS else ""
            why = f"joins {', '.join(others[:_NAMED_JOINS])}{more}"
            why += f"; {because}" if because else ""
            found[spot] = _proposed(data_class, mask, why)
    return found


def _joining(
    columns: list[ColumnSurvey], data_class: DataClass, whole: Detector | None, things: str
) -> Mask:
    if data_class in NEVER_KEPT:
        return Mask(method=STRICT[data_class])
    if whole is not None and whole.mask.method in ONE_TO_ONE:
        return whole.mask
    return _token(columns, things)


def _token(columns: list[ColumnSurvey], things: str) -> Mask:
    """Return the mask that keeps different values apart, and equal ones of all columns equal."""
    types = {column.type for column in columns}
    if types <= set(_WIDE) or types == {"SMALLINT"}:
        return Mask(method="integer-hmac")
    if types & {"DOUBLE", "FLOAT"}:  # what arrives rounded cannot be told apart
        return Mask(method="null")
    first = things[:1].lower()
    return Mask(method="hmac", prefix=f"{first}_" if first.isascii() and first.isalpha() else "")


def _alone(column: ColumnSurvey, key: Spot | None) -> DraftColumn:
    if column.unseen:
        return _proposed(_UNKNOWN, Mask(method="drop"), column.unseen)
    findings = list(_findings(column))
    if not findings and (named := _by_name(column)):
        # An empty column may have any value later; one with other values is not what it is called.
        fits = column.values == 0 and _fits(named.mask, column.type)
        mask = named.mask if fits else Mask(method=STRICT[named.data_class])
        return _proposed(named.data_class, mask, f"{named.id} by its name; {_told(column)}")
    if not findings:
        mask = _token([column], called(key)) if key else Mask(method=STRICT[_UNKNOWN])
        return _proposed(_UNKNOWN, mask, f"a key; {_told(column)}" if key else _told(column))
    data_class = _highest(findings)
    return _proposed(data_class, _of_found(column, findings, data_class), _told(column))


def _of_found(column: ColumnSurvey, findings: list[Detector], data_class: DataClass) -> Mask:
    """Return the mask of a column in which something was found: for all of it, or for free text."""
    whole = [detector.mask for detector in findings if _whole(column, detector)]
    for mask in whole:
        if mask.method in ALLOWED[data_class] and _fits(mask, column.type):
            return mask
    text = column.type == "VARCHAR" and not whole
    redacts = text and data_class not in NEVER_KEPT
    return Mask(method="redact" if redacts else STRICT[data_class])


def _proposed(data_class: DataClass, mask: Mask, why: str) -> DraftColumn:
    return DraftColumn(rule=Column.model_validate({"class": data_class, "mask": mask}), why=why)


def _with_subject(
    table: TableSurvey, keys: set[Spot], columns: dict[str, DraftColumn]
) -> dict[str, DraftColumn]:
    """Return the columns with names and readings drawn by the table's key, so that they fit."""
    methods = {draft.rule.mask.method for draft in columns.values()}
    by = next((c for c in columns if (table.name, c) in keys and _names_by(columns[c])), "")
    if not by or not {"fake-name", "fake-kana"} <= methods:
        return columns
    return {name: _drawn_by(draft, by) for name, draft in columns.items()}


def _names_by(draft: DraftColumn) -> bool:
    return draft.rule.mask.method in ("hmac", "integer-hmac")


def _drawn_by(draft: DraftColumn, by: str) -> DraftColumn:
    mask = draft.rule.mask
    if mask.method not in ("fake-name", "fake-kana"):
        return draft
    drawn = mask.model_copy(update={"by": by})
    return draft.model_copy(update={"rule": draft.rule.model_copy(update={"mask": drawn})})


def _findings(column: ColumnSurvey) -> Iterator[Detector]:
    """Yield what was found in a column, the largest share first."""
    yield from (BY_ID[suspicion.detector] for suspicion in _by_count(column))


def _by_count(column: ColumnSurvey) -> list[Suspicion]:
    return sorted(column.suspicions, key=lambda suspicion: -suspicion.count)


def _by_name(column: ColumnSurvey) -> Detector | None:
    kind = kind_of(column.type)
    fitting = (d for d in DETECTORS if kind in d.kinds and d.fits(column.name))
    return next(fitting, None)


def _highest(findings: Iterable[Detector]) -> DataClass:
    classes = [detector.data_class for detector in findings]
    return max(classes, key=CLASSES.index) if classes else _UNKNOWN


def _whole(column: ColumnSurvey, detector: Detector) -> bool:
    count = sum(s.count for s in column.suspicions if s.detector == detector.id)
    share = count / max(column.values, 1)
    return share >= _WHOLE or (share >= _NAMED and detector.fits(column.name))


def _fits(mask: Mask, type_: str) -> bool:
    if mask.to in ("year", "month"):
        return type_ in DATES
    return type_ in _PLAIN


def _told(column: ColumnSurvey) -> str:
    """Return what was seen of a column: detectors and shares, or that nothing is known."""
    if not column.values:
        return "no value in the rows looked at"
    of = f"of {column.values:,} values"
    if not column.suspicions:
        return f"nothing found in {column.values:,} values, {column.different:,} different"
    shares = (f"{s.detector} {_percent(s.count, column.values)}" for s in _by_count(column))
    return f"{', '.join(shares)} {of}"


def _percent(count: int, values: int) -> str:
    share = 100 * count / values
    return f"{share:.0f} %" if share >= 1 else "under 1 %"
