"""Who may do what: one fixed table, role × verb. What is not in it, nobody may.

A request is looked up by its name, so that whoever adds one has to say here who may ask it.
`own` is what a role may do only with sandboxes that are its own.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from sandbox.core.people import ROLES, Role

_ALL = frozenset(ROLES)
_MAKERS: frozenset[Role] = frozenset({"marketer", "it", "sales"})
_IT: frozenset[Role] = frozenset({"it"})
_DATA: frozenset[Role] = frozenset({"it", "data-owner"})
_DECIDERS = _ALL - {"viewer", "auditor"}
_WITNESSES: frozenset[Role] = frozenset({"it", "data-owner", "legal", "auditor"})
_OPERATORS: frozenset[Role] = frozenset({"it", "auditor"})
# Those who only see the portfolio are left out.
_READERS = _ALL - {"viewer"}
_NOBODY: frozenset[Role] = frozenset()


@dataclass(frozen=True, slots=True)
class Verb:
    """What is typed, who may do it with anything, and who with what is their own.

    `anybody`: even somebody whom `people.yaml` does not name; it shows or settles nothing that
    would be theirs to know or to decide.
    """

    words: str
    any: frozenset[Role] = _NOBODY
    own: frozenset[Role] = _NOBODY
    anybody: bool = False

    def roles(self) -> tuple[Role, ...]:
        """Return the roles that may do it at all, in the order of the table."""
        return tuple(role for role in ROLES if role in self.any | self.own)

    def cell(self, role: Role) -> str:
        """Return what a role may: `yes`, `own`, or nothing."""
        return "yes" if role in self.any else "own" if role in self.own else ""


def _for_anybody(words: str) -> Verb:
    return Verb(words, any=_ALL, anybody=True)


VERBS: Mapping[str, Verb] = {
    # Nobody decides anything by these: what is due is settled as leases say.
    "InitRequest": _for_anybody("init"),
    "DoctorRequest": _for_anybody("doctor"),
    "ReapRequest": _for_anybody("reap"),
    "NamesRequest": _for_anybody("completion of names"),
    "TemplateNamesRequest": _for_anybody("completion of templates"),
    "PeopleRequest": _for_anybody("people"),
    "ExplainRequest": _for_anybody("explain"),
    # What everybody sees.
    "ListRequest": Verb("list", _ALL),
    "ShowRequest": Verb("show", _ALL),
    "InboxRequest": Verb("inbox", _ALL),
    "PlanRequest": Verb("plan", _ALL),
    "ReviewListRequest": Verb("review", _ALL),
    "ModesRequest": Verb("policy modes", _ALL),
    "CostRequest": Verb("cost", _ALL),
    "ListTemplatesRequest": Verb("template list", _ALL),
    "ShowTemplateRequest": Verb("template show", _ALL),
    "ListSnapshotsRequest": Verb("snapshot list", _ALL),
    "ListSourcesRequest": Verb("source list", _ALL),
    "RequestListRequest": Verb("request list", _ALL),
    "ListRulesRequest": Verb("policy list", _ALL),
    "ShowRuleRequest": Verb("policy show", _ALL),
    "WaiverListRequest": Verb("waiver list", _ALL),
    # What those see who work with it.
    "ShowSnapshotRequest": Verb("snapshot show", _READERS),
    "VerifySnapshotRequest": Verb("snapshot verify", _READERS),
    "AttestRequest": Verb("snapshot attest", _READERS),
    "ShowSourceRequest": Verb("source show", _READERS),
    "ListTablesRequest": Verb("data list", _READERS),
    "ShowTableRequest": Verb("data show", _READERS),
    "RequestShowRequest": Verb("request show", _READERS),
    "CheckPoliciesRequest": Verb("policy check", _READERS),
    "RunPolicyTestsRequest": Verb("policy test", _READERS),
    "PolicySchemaRequest": Verb("policy schema", _READERS),
    "WaiverShowRequest": Verb("waiver show", _READERS),
    "KeptListRequest": Verb("kept list", _READERS),
    "KeptShowRequest": Verb("kept show", _READERS),
    "AuditListRequest": Verb("audit list", _WITNESSES),
    "AuditVerifyRequest": Verb("audit verify", _WITNESSES),
    "PolicyExplainRequest": Verb("policy explain", _READERS),
    "PolicyScanRequest": Verb("policy scan", _WITNESSES),
    "PolicyImpactRequest": Verb("policy impact", _WITNESSES),
    # A sandbox and its owner.
    "UpRequest": Verb("up", _MAKERS),
    "OpenRequest": Verb("open", own=_MAKERS),
    "SqlRequest": Verb("sql", own=_MAKERS),
    "ExecRequest": Verb("exec", own=_MAKERS),
    "ImportRequest": Verb("import", own=_MAKERS),
    "ExportRequest": Verb("export", own=_MAKERS),
    "ExtendRequest": Verb("extend", own=_MAKERS),
    "RestoreRequest": Verb("restore", own=_MAKERS),
    "ResetRequest": Verb("reset", own=_MAKERS),
    "LogsRequest": Verb("logs", _OPERATORS, _MAKERS),
    "VerifyRequest": Verb("verify", _OPERATORS, _MAKERS),
    "DownRequest": Verb("down", _IT, _MAKERS),
    # Looking back at what was expedited; its owner does not.
    "ReviewRequest": Verb("review NAME", _DECIDERS),
    # Requests for what nobody may alone; whose yes counts, the request itself says.
    "WantColumnsRequest": Verb("data request", _DECIDERS),
    "WaiverRequestRequest": Verb("waiver request", _DECIDERS),
    "WaiverApproveRequest": Verb("waiver approve", _DECIDERS),
    "WaiverRejectRequest": Verb("waiver reject", _DECIDERS),
    "WaiverRevokeRequest": Verb("waiver revoke", _DECIDERS),
    "RequestAcceptRequest": Verb("request accept", _DECIDERS),
    "RequestRefuseRequest": Verb("request refuse", _DECIDERS),
    "ApproveRequest": Verb("approve", _DECIDERS),
    "RejectRequest": Verb("reject", _DECIDERS),
    # The core's data.
    "CheckSourceRequest": Verb("source check", _DATA),
    "DraftSourceRequest": Verb("source draft", _DATA),
    "BuildSnapshotRequest": Verb("snapshot build", _DATA),
    "RemoveSnapshotRequest": Verb("snapshot rm", _DATA),
    "KeptOpenRequest": Verb("kept open", _DATA),
    "PruneRequest": Verb("snapshot prune", _DATA),
    # The installation.
    "CheckTemplateRequest": Verb("template check", _IT),
    "BuildTemplateRequest": Verb("template build", _IT),
    "ScheduleRequest": Verb("reap --install", _IT),
    "ServeInstallRequest": Verb("serve --install", _IT),
    "FreezeRequest": Verb("freeze", _IT),
    "ResumeRequest": Verb("resume", _IT),
    "StopLineRequest": Verb("stop-the-line", _IT),
    "LiftLineRequest": Verb("stop-the-line --lift", _IT),
    "UninstallRequest": Verb("uninstall", _IT),
}


def granted(name: str, roles: frozenset[str]) -> str:
    """Return what somebody with `roles` may ask by the request `name`: "any", "own", or ""."""
    verb = VERBS.get(name)
    if verb is None:
        return ""
    if verb.anybody or roles & verb.any:
        return "any"
    return "own" if roles & verb.own else ""
