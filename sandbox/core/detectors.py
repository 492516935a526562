"""The detectors: forms of mail, phone, address, numbers, names, addresses of machines, birthdays.

Patterns are written for RE2 and Python alike: no look-around, no back-references, no `\\d` or `\\b`
(they differ outside ASCII). They read text folded by `sandbox.core.detecting`. A scanner finds
forms, not meaning: rare names, nicknames and facts that single out a person pass.
"""

import ipaddress
import re
from collections.abc import Mapping

from sandbox.core.checksums import luhn_holds, my_number_holds
from sandbox.core.detecting import Detector
from sandbox.core.names import (
    FAMILIES,
    GIVEN,
    LATIN_FAMILIES,
    LATIN_GIVEN,
    PREFECTURES,
    half_width,
    hiragana,
)
from sandbox.core.source import Mask
from sandbox.core.text import any_of

# Before and after a number: no letter, digit or sign that would make it part of something longer,
# such as a token, a UUID or a fraction.
_BEFORE = "(?:^|[^0-9A-Za-z_.+-])"
_AFTER = r"(?:$|[^0-9A-Za-z_.\-]|\.(?:$|[^0-9]))"
# The same for groups of four digits: no further group either, as a card has.
_ALONE_BEFORE = "(?:^|[^0-9A-Za-z_.+ -]|(?:^|[^0-9]) )"
_ALONE_AFTER = r"(?:$|[^0-9A-Za-z_. \-]|[. ](?:$|[^0-9]))"
# A value of its own, or one in quotes or between separators (JSON, CSV inside a text).
_OPEN, _CLOSE = r"(?:^|[\"'>:,;=|({\[] ?)", r"(?:$|[\"'<,;=|)}\]\\])"
# The long vowel mark is often typed for a dash.
_DIGIT = "[0-9]"
_SEVEN_DIGITS = r"[0-9](?:[-ー ()]{0,3}[0-9]){6}"
_JAPANESE = "[ぁ-ヿ一-鿿ｦ-ﾟ]"
_KANJI = "[一-鿿々〆ヶ]"

_MOBILE = f"0[5-9]0(?:[-ー ][0-9]{{4}}[-ー ]|\\([0-9]{{4}}\\)){_DIGIT}{{4}}"
_LANDLINE = "|".join(
    f"\\(?0[1-9][0-9]{{{more}}}[-ー()]{{1,2}}[0-9]{{{4 - more}}}[-ー()]{{1,2}}[0-9]{{4}}"
    for more in range(4)
)
_FROM_ABROAD = r"\+81[-ー ]?(?:\(0\))?0?[1-9][0-9]{0,3}[-ー ()]{0,2}[0-9]{1,4}[-ー ()]{0,2}[0-9]{4}"
_IN_TEXT = "0[6-9]0[1-9][0-9]{7}"
# Assigned country codes of ITU-T E.164, but Japan's.
_COUNTRIES = re.compile(
    "1|7|2[07]|3[0-469]|4[013-9]|5[1-8]|6[0-6]|8[246]|9[0-58]|2[1-689][0-9]|3[578][0-9]|42[0-9]"
    "|5[09][0-9]|6[789][0-9]|8[058][0-9]|9[679][0-9]"
)
_BARE_ADDRESS = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}|[0-9a-fA-F]{1,4}:[0-9a-fA-F:]+")
_NATIONAL = {"1": (10, 10), "7": (10, 10), "44": (9, 10), "86": (8, 11), "49": (6, 11)}

_TOWN = "[^0-9 、。,]{1,12}?[市区町村]"
_BLOCK = "[0-9一二三四五六七八九十]+(?:-[0-9]+|丁目|番地?|号)"
_TELLING = (
    "access_token|api_?key|auth|authorization|code|id_token|jwt|key|pass|password|passwd|pwd|pw"
    "|refresh_token|reset|secret|session|session_?id|sid|sig|signature|ticket|token"
)
_DAY = (
    "(?:(?:19|20)[0-9]{2}|(?:明治|大正|昭和|平成|令和|[MTSHR])[0-9]{1,2})[-/.年] ?"
    "[0-9]{1,2}[-/.月] ?[0-9]{1,2}日?"
)


def _pair(first: str, last: str, between: str) -> str:
    return f"{_OPEN}(?:{first}){between}(?:{last}){_CLOSE}"


_SHORT_PREFECTURES = {name[:-1] for name in PREFECTURES}
_FAMILY = any_of(name.kanji for name in FAMILIES)
_PERSONAL = any_of(name.kanji for name in GIVEN)
# Two letters such as 東進 are as often a word as a person.
_LONG_FAMILY = any_of(name.kanji for name in FAMILIES if len(name.kanji) > 1)
_LONG_PERSONAL = any_of(name.kanji for name in GIVEN if len(name.kanji) > 1)
_ALONE = any_of(
    n.kanji for n in (*FAMILIES, *GIVEN) if len(n.kanji) > 1 and n.kanji not in _SHORT_PREFECTURES
)
# Goods, shops and files have names and readings, too; a bare `name` may be theirs.
_PERSON_NAME = (
    "(?:full|first|last|family|given|sur|middle|maiden|customer|client|user|member|contact|person"
    "|staff|employee|owner|holder|patient|guest|buyer|recipient) ?name"
)
_THINGS = (
    "product|item|goods|article|shop|store|company|brand|campaign|category|file|column|table|place"
    "|city|station|商品|品名|店|会社|企業|法人|施設|部署|駅|地名|市区町村"
)
_TITLE = "(?:様|さん|さま|氏|殿)"

_KANA_FORMS = (str, hiragana, half_width)
_FAMILY_KANA = any_of(form(name.kana) for name in FAMILIES for form in _KANA_FORMS)
_PERSONAL_KANA = any_of(form(name.kana) for name in GIVEN for form in _KANA_FORMS)

_LATIN_FIRST = any_of((*LATIN_GIVEN, *(name.latin for name in GIVEN if len(name.latin) > 2)))
_LATIN_LAST = any_of((*LATIN_FAMILIES, *(name.latin for name in FAMILIES if len(name.latin) > 2)))


def _reachable(mail: str) -> bool:
    domain = mail.rpartition("@")[2].lower()
    # `.invalid` reaches nobody (RFC 2606); `icon@2x.png` is a picture's name.
    return not (domain.endswith(".invalid") or re.match(r"[1-9]x\.", domain))


def _japanese_length(phone: str) -> bool:
    digits = re.sub(r"[^0-9]", "", phone.replace("(0)", ""))
    if "+" in phone:
        return len(digits.removeprefix("81").lstrip("0")) in (9, 10)
    return len(digits) in (10, 11)


def _abroad(phone: str) -> bool:
    digits = re.sub(r"[^0-9]", "", phone)
    code = _COUNTRIES.match(digits)
    if code is None or not 9 <= len(digits) <= 15:
        return False
    national = digits[code.end() :].removeprefix("0") if "(0)" in phone else digits[code.end() :]
    least, most = _NATIONAL.get(code.group(), (6, 12))
    # Ten digits in a row are an amount's size no more; only Italy's numbers begin with 0.
    spaced = bool(re.search(r"[0-9][-. ()]+[0-9]", phone))
    begins = national[:1] != "0" or code.group() == "39"
    return begins and least <= len(national) <= most and (spaced or len(digits) >= 10)


def _address(text: str) -> bool:
    bare = _BARE_ADDRESS.search(text)
    try:
        found = ipaddress.ip_address(bare.group() if bare else text)
    except ValueError:
        return False
    if found.is_unspecified or found.is_loopback:
        return False
    # 1.2.3.4 and 10.0.19 are versions as often as addresses.
    return found.version == 6 or any(byte > 31 for byte in found.packed)


DETECTORS: tuple[Detector, ...] = (
    Detector(
        id="mail",
        version=1,
        finds="a mail address that could be reached",
        data_class="contact",
        mask=Mask(method="fake-mail"),
        sign="@",
        strong=r"[A-Za-z0-9._%+'-]+@(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?\.)+[A-Za-z]{2,24}",
        hint="mail|メール|アドレス$",
        check=_reachable,
    ),
    Detector(
        id="phone-jp",
        version=1,
        finds="a Japanese telephone number, with or without hyphens, or from abroad (+81)",
        data_class="contact",
        mask=Mask(method="fake-phone"),
        sign=_SEVEN_DIGITS,
        strong=f"{_BEFORE}(?:{_MOBILE}|{_LANDLINE}){_AFTER}|(?:^|[^0-9A-Za-z]){_FROM_ABROAD}{_AFTER}"
        f"|[^0-9A-Za-z_.+-]{_IN_TEXT}{_AFTER}|^{_IN_TEXT}[^0-9A-Za-z_.-]",
        hint="phone|tel|mobile|fax|携帯|電話|番号連絡|連絡先",
        common="^0[5-9]0[1-9][0-9]{7}$",
        named="^0?[1-9][0-9]{8,9}$",
        check=_japanese_length,
        kinds=frozenset({"text", "integer"}),
    ),
    Detector(
        id="phone-abroad",
        version=1,
        finds="an international telephone number, with its country code",
        data_class="contact",
        mask=Mask(method="fake-phone", form="international"),
        sign=r"\+[1-9]",
        strong=r"(?:^|[^0-9A-Za-z+])\+[1-9](?:[-. ()]{0,3}[0-9]){8,14}" + _AFTER,
        hint="phone|tel|mobile|fax",
        check=_abroad,
    ),
    Detector(
        id="postcode",
        version=1,
        finds="a Japanese postcode",
        data_class="quasi-identifier",
        mask=Mask(method="generalise", first=3),
        sign=_SEVEN_DIGITS,
        strong="〒 ?[0-9]{3}-?[0-9]{4}" + _AFTER,
        hint="post ?code|postal|zip|郵便",
        common="^[0-9]{3}[-ー][0-9]{4}$",
        named="^[0-9]{7}$",
        kinds=frozenset({"text", "integer"}),
    ),
    Detector(
        id="address",
        version=1,
        finds="a Japanese street address",
        data_class="contact",
        mask=Mask(method="generalise", to="prefecture"),
        sign="[市区町村]",
        strong=f"(?:{any_of(PREFECTURES)}) ?{_TOWN}[^、。,]{{0,20}}?[0-9]"
        f"|{_TOWN}[^0-9、。,]{{0,12}}{_BLOCK}",
        hint="address|street|住所|番地|所在地",
        common=f"^(?:{any_of(PREFECTURES)}) ?{_TOWN}",
        named=f"{_JAPANESE}[0-9]|{_TOWN}",
    ),
    Detector(
        id="my-number",
        version=1,
        finds="a My Number (12 digits with their check digit)",
        data_class="my-number",
        mask=Mask(method="drop"),
        sign=_SEVEN_DIGITS,
        strong=f"{_ALONE_BEFORE}[0-9]{{4}}[- ]?[0-9]{{4}}[- ]?[0-9]{{4}}{_ALONE_AFTER}",
        hint="my ?number|individual number|マイナンバー|個人番号",
        check=my_number_holds,
        chance=0.1,
        kinds=frozenset({"text", "integer"}),
    ),
    Detector(
        id="card",
        version=1,
        finds="a payment card's number (issuer, length and Luhn digit)",
        data_class="credential",
        mask=Mask(method="drop"),
        sign=_SEVEN_DIGITS,
        strong=f"{_BEFORE}(?:"
        "(?:4[0-9]{3}|5[1-5][0-9]{2}|2[2-7][0-9]{2}|35[2-8][0-9]|6(?:011|5[0-9]{2}|4[4-9][0-9])"
        "|62[0-9]{2})(?:[- ]?[0-9]{4}){3}|3[47][0-9]{2}[- ]?[0-9]{6}[- ]?[0-9]{5}"
        f"|3(?:0[0-5]|[689][0-9])[0-9][- ]?[0-9]{{6}}[- ]?[0-9]{{4}}){_AFTER}",
        hint="card|カード|credit|pan$",
        check=luhn_holds,
        chance=0.1,
        kinds=frozenset({"text", "integer"}),
    ),
    Detector(
        id="name-kanji",
        version=2,
        finds="a person's name in kanji",
        data_class="personal",
        mask=Mask(method="fake-name"),
        sign=_KANJI,
        strong=_pair(_LONG_FAMILY, _PERSONAL, " ?")
        + "|"
        + _pair(_FAMILY, _LONG_PERSONAL, " ?")
        + "|"
        + _pair(_FAMILY, _KANJI + "{1,3}", " ")
        + f"|(?:{_LONG_FAMILY}) ?(?:{_PERSONAL})?{_TITLE}",
        hint=f"{_PERSON_NAME}|氏名|名前|姓|苗字|名義",
        unlike=_THINGS,
        common=f"^(?:{_ALONE})$",
        named=f"^{_KANJI}{{1,4}} ?[一-鿿々ぁ-んァ-ヶー]{{1,5}}$",
    ),
    Detector(
        id="name-kana",
        version=2,
        finds="a person's name in katakana, hiragana or half-width kana",
        data_class="personal",
        mask=Mask(method="fake-kana"),
        sign="[ぁ-んァ-ヶｦ-ﾟ]",
        strong=_pair(_FAMILY_KANA, _PERSONAL_KANA, " ?"),
        hint="kana|reading|カナ|かな|ふりがな|フリガナ|ヨミ|よみ",
        unlike=_THINGS,
        common=f"^(?:{_FAMILY_KANA}|{_PERSONAL_KANA})$",
        named="^[ぁ-んァ-ヶーｦ-ﾟ]{2,10} ?[ぁ-んァ-ヶーｦ-ﾟ]{0,10}$",
    ),
    Detector(
        id="name-latin",
        version=2,
        finds="a person's name in Latin script",
        data_class="personal",
        mask=Mask(method="fake-name", form="latin"),
        sign="[A-Za-z][.,]? [A-Za-zÀ-Þ]|^[A-Za-z]+$",
        strong="(?i:"
        + _pair(_LATIN_FIRST, _LATIN_LAST, " (?:[A-Z]\\.? )?")
        + "|"
        + _pair(_LATIN_LAST, _LATIN_FIRST, ",? ")
        + f")|(?:^|[^A-Za-z])(?:Mr|Mrs|Ms|Miss)\\.? (?:{_LATIN_LAST})(?:$|[^A-Za-z])"
        + "|Dear (?:Mr|Mrs|Ms|Miss)\\.? [A-Z][a-z]+",
        hint=f"{_PERSON_NAME}|ローマ字|英字",
        unlike=_THINGS,
        common=f"(?i:^(?:{_LATIN_FIRST}|{_LATIN_LAST})$)",
        named="^[A-ZÀ-Þ][A-Za-zÀ-ÿ'’-]+(?:,? [A-ZÀ-Þ][A-Za-zÀ-ÿ'’.-]*){1,3}$",
    ),
    Detector(
        id="ip",
        version=1,
        finds="an IP address",
        data_class="personal",
        mask=Mask(method="hmac"),
        sign=r"[0-9]\.[0-9]{1,3}\.[0-9]|[0-9a-fA-F]:[0-9a-fA-F]{0,4}:",
        strong=f"{_BEFORE}[0-9]{{1,3}}(?:\\.[0-9]{{1,3}}){{3}}{_AFTER}"
        "|(?:^|[^0-9A-Za-z:_.])[0-9a-fA-F]{1,4}:(?:[0-9a-fA-F]{0,4}:){2,6}[0-9a-fA-F]{0,4}"
        "(?:$|[^0-9A-Za-z:_])",
        hint="(?:^| )ip(?: |$)|ip ?addr|remote ?addr|client ?ip",
        check=_address,
    ),
    Detector(
        id="url-token",
        version=1,
        finds="a link that holds a token, or a login",
        data_class="credential",
        mask=Mask(method="drop"),
        sign="://",
        strong=f"://[^ ]*[?&#;](?i:{_TELLING})=[^&# ]{{6,}}|://[^/ @:]+:[^/ @]+@",
        hint="token|secret|password|api ?key|トークン|パスワード",
    ),
    Detector(
        id="birth-date",
        version=1,
        finds="a date of birth",
        data_class="quasi-identifier",
        mask=Mask(method="generalise", to="year"),
        sign="生|誕|(?i:birth|dob|born)",
        strong="(?i:生年月日|誕生日|birth ?da(?:y|te)|date of birth|dob|born(?: on)?)"
        f"[ :は=\"']{{0,4}}{_DAY}|{_DAY} ?(?:生まれ|生れ|生(?:$|[^-一-鿿]))",
        hint="birth|dob|born|生年|誕生|生まれ",
        named=f"^{_DAY}|^(?:19|20)[0-9]{{6}}$",
        kinds=frozenset({"text", "date"}),
    ),
)
BY_ID: Mapping[str, Detector] = {detector.id: detector for detector in DETECTORS}
