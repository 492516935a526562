"""What a sandbox costs by the hour, and who pays: prices, campaigns and budgets of the settings."""

from collections.abc import Iterable
from typing import Annotated

from pydantic import Field, model_validator

from sandbox.core.errors import InvalidInput
from sandbox.core.text import clean, closest
from sandbox.core.values import Value

# A campaign's code as people type it: a word, without anything that a shell or a sheet reads.
_CODE = r"^\w[\w.:/#-]{0,59}$"
Code = Annotated[str, Field(pattern=_CODE)]
# More than any currency needs, and little enough for every sum.
Price = Annotated[float, Field(ge=0, le=1e15, allow_inf_nan=False)]
# Money without smaller coins.
_WHOLE = frozenset({"JPY", "KRW", "VND"})


class Prices(Value):
    """What one hour costs, in the currency of the settings: of a sandbox, and of its limits."""

    sandbox_hour: Price = 0
    cpu_hour: Price = 0
    memory_gb_hour: Price = 0
    disk_gb_hour: Price = 0


class Campaign(Value):
    """Whom a campaign's sandboxes are charged to."""

    team: Annotated[str, Field(min_length=1, max_length=60)]


class CostSettings(Value):
    """Prices, the campaigns that sandboxes can be charged to by code, and what teams may spend.

    Without prices nothing is counted. Where any campaign is listed, there are no others. `budgets`
    are of one calendar month, by team.
    """

    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] = "JPY"
    prices: Prices = Prices()
    campaigns: dict[Code, Campaign] = Field(default_factory=dict)
    budgets: dict[str, Price] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _each_code_once(self) -> "CostSettings":
        codes: dict[str, str] = {}
        for code in self.campaigns:
            if (first := codes.setdefault(code.casefold(), code)) != code:
                raise _SameCode(code, first)
        return self

    @model_validator(mode="after")
    def _budgets_are_used(self) -> "CostSettings":
        teams = {campaign.team for campaign in self.campaigns.values()}
        for team in self.budgets:
            if team not in teams:
                raise _NobodysBudget(team, closest(team, teams))
        return self

    @property
    def counted(self) -> bool:
        """Whether anything has a price."""
        return any(self.prices.model_dump().values())

    def charged(self, code: str) -> str:
        """Return the campaign that somebody means by `code`, as it is listed; "" for none.

        Raises InvalidInput, with the nearest, for one that is not listed where any is.
        """
        code = code.strip()
        if not code or not self.campaigns:
            return _well_formed(code)
        for listed in self.campaigns:
            if listed.casefold() == code.casefold():
                return listed
        raise InvalidInput(
            "There is no such campaign." + closest(code.upper(), self.campaigns),
            subject=clean(code),
            hint=f"Campaigns: {', '.join(self.campaigns)}. IT lists them in sandbox.yaml, cost.",
        )

    def team(self, code: str) -> str:
        """Return whose campaign that is, "" of one that is not listed."""
        campaign = self.campaigns.get(code)
        return campaign.team if campaign else ""

    def of_team(self, team: str) -> frozenset[str]:
        """Return the codes of a team's campaigns."""
        return frozenset(code for code, c in self.campaigns.items() if c.team == team)


class _NobodysBudget(ValueError):
    """A budget of a team without a campaign: nothing could ever be charged to it."""

    def __init__(self, team: str, near: str) -> None:
        super().__init__(f"no campaign is of the team {clean(team)}.{near}")
        self.place = ("budgets", team)


class _SameCode(ValueError):
    """Two codes that people could not tell apart: capitals are no difference to them."""

    def __init__(self, code: str, first: str) -> None:
        super().__init__(f"{clean(code)} is {clean(first)}: capitals make no other campaign")
        self.place = ("campaigns", code)


def _well_formed(code: str) -> str:
    marks = [c for c in code if not (c.isalnum() or c in "_.:/#-")]
    if marks or len(code) > 60:
        raise InvalidInput(
            "A campaign's code is one word of at most 60 letters, digits and . : / # - _",
            subject=clean(code),
            hint="For example: --campaign SPRING-26",
        )
    return code


def money(amount: float, currency: str) -> str:
    """Return an amount as people read it: `JPY 1,234`, `EUR 12.50`."""
    return f"{currency} {amount:,.0f}" if currency in _WHOLE else f"{currency} {amount:,.2f}"


def total(amounts: Iterable[float]) -> float:
    """Return a sum of money, to the hundredth."""
    return round(sum(amounts), 2)
