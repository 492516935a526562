"""Check digits: which numbers could have been given out, and which are only digits."""

from datetime import datetime


def my_number_holds(text: str) -> bool:
    """Say whether the 12 digits of `text` (others are passed over) end in My Number's check digit.

    The rule is that of the ordinance of the Ministry of Internal Affairs and Communications, Heisei
    26 No. 85, article 5. Twelve equal digits and times of the form YYYYMMDDhhmm are no number.
    """
    digits = _digits(text)
    if len(digits) != 12 or len(set(digits)) == 1 or _is_time(digits):
        return False
    weighted = sum(
        digit * (place + 1 if place <= 6 else place - 5)
        for place, digit in enumerate(reversed(digits[:11]), start=1)
    )
    rest = weighted % 11
    return digits[11] == (0 if rest <= 1 else 11 - rest)


def luhn_holds(text: str) -> bool:
    """Say whether the digits of `text` (others are passed over) fit the formula of ISO/IEC 7812-1.

    Digits that are all the same are no number.
    """
    digits = _digits(text)
    doubled = [d if i % 2 == 0 else d * 2 - 9 * (d > 4) for i, d in enumerate(reversed(digits))]
    return len(set(digits)) > 1 and sum(doubled) % 10 == 0


def _digits(text: str) -> list[int]:
    return [int(letter) for letter in text if "0" <= letter <= "9"]


def _is_time(digits: list[int]) -> bool:
    try:
        year = datetime.strptime("".join(map(str, digits)), "%Y%m%d%H%M").year
    except ValueError:
        return False
    return 1900 <= year <= 2100
