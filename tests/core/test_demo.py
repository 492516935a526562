import re
from datetime import date
from decimal import Decimal

import pytest

from sandbox.core.demo import Customer, consent, customer, customer_id, purchases
from sandbox.core.errors import InvalidInput

PEOPLE = [customer(number) for number in range(1, 3001)]
KANA = re.compile(r"[ァ-ヶー]+ [ァ-ヶー]+")


def test_a_person_follows_from_the_number_alone() -> None:
    # Written down: the demo's data must not change between releases and machines.
    assert customer(1) == Customer(
        customer_id="00001", name="岡本 琴音", kana="オカモト コトネ",
        mail="kotone.okamoto1@example.net", phone="090-0519-1932", postcode="935-5835",
        prefecture="富山県", address="富山県青葉市中央5-11-10", birth_date=date(1970, 4, 5),
        note="配送は土曜の午前を希望。", created_on=date(1996, 8, 26),
    )  # fmt: skip
    assert [customer(n) for n in (7, 23_570)] == [customer(n) for n in (7, 23_570)]
    assert consent(1).customer_id == "00001"
    assert consent(1).changed_at.utcoffset() is not None


def test_every_value_has_its_form() -> None:
    for person in PEOPLE:
        assert re.fullmatch(r"[a-z.]+\d+@example\.(jp|com|net|org)", person.mail)
        assert re.fullmatch(r"0[79]0-0\d{3}-\d{4}", person.phone)
        assert re.fullmatch(r"\d{3}-\d{4}", person.postcode)
        assert person.address.startswith(person.prefecture)
        assert person.kana is None or KANA.fullmatch(person.kana)
        assert date(1930, 1, 1) <= person.birth_date < date(1978, 1, 1)
        assert person.created_on < date(1997, 1, 1)
        assert "\t" not in "".join(str(v) for v in person)
        assert "\\" not in "".join(str(v) for v in person)


def test_people_are_as_varied_as_promised() -> None:
    def share(chosen: list[Customer]) -> float:
        return len(chosen) / len(PEOPLE)

    assert 0.66 < share([p for p in PEOPLE if p.kana]) < 0.74
    assert 0.12 < share([p for p in PEOPLE if re.match(r"[A-Z]", p.name)]) < 0.18
    assert len({p.mail for p in PEOPLE}) == len(PEOPLE)
    assert len({p.prefecture for p in PEOPLE}) == 47
    assert len({p.name.split()[0] for p in PEOPLE if p.kana}) >= 60
    assert len({p.name.split()[1] for p in PEOPLE if p.kana}) >= 60
    notes = [p for p in PEOPLE if p.note]
    personal = [p for p in notes if p.phone in str(p.note) or p.mail in str(p.note)]
    assert 0.4 < share(notes) < 0.7
    assert 0.1 < share(personal) < 0.3


def test_purchases_are_read_from_the_files_own_columns() -> None:
    text = " customer_id  date number_of_cds  dollar_value\r\n 00001 19970101  1   11.77\r\n\r\n"
    (only,) = purchases(text)
    assert only == (customer_id(1), date(1997, 1, 1), 1, Decimal("11.77"))
    assert list(purchases("")) == []


@pytest.mark.parametrize("line", ["1 19970101 1", "1 19970231 1 2.0", "x 19970101 1 2", "1 1 1 z"])
def test_line_of_another_form_is_named(line: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        list(purchases(f"header\n 1 19970101 1 1.00\n{line}\n"))
    assert caught.value.subject == "CDNOW_master.txt, line 3"
