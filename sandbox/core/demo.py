"""The demo's people and purchases: real purchases (CDNOW), invented people.

Everything about a person follows from the customer's number alone, so the demo is the same on
every machine. Nobody is meant: mails stand at reserved domains (RFC 2606, JPRS), and Japanese
numbers that begin with 070-0 or 090-0 are never given out (080-0 would: 0800 is toll-free).
"""

import hashlib
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import NamedTuple, TypeVar

from sandbox.core.errors import InvalidInput

CUSTOMERS = 23_570
PURCHASES = 69_659
CDNOW_SHA256 = "eff6889ed364c5199d6eacbbeb7a6d559971df4406ac876f322c373f00a072ef"

# The first purchase of the cohort is of 1997-01-01: everybody became a customer before.
_COHORT = date(1997, 1, 1)

_FAMILIES = """
佐藤 サトウ sato/鈴木 スズキ suzuki/高橋 タカハシ takahashi/田中 タナカ tanaka/伊藤 イトウ ito
渡辺 ワタナベ watanabe/山本 ヤマモト yamamoto/中村 ナカムラ nakamura/小林 コバヤシ kobayashi
加藤 カトウ kato/吉田 ヨシダ yoshida/山田 ヤマダ yamada/佐々木 ササキ sasaki
松本 マツモト matsumoto/井上 イノウエ inoue/木村 キムラ kimura/林 ハヤシ hayashi
斎藤 サイトウ saito/清水 シミズ shimizu/山崎 ヤマザキ yamazaki/阿部 アベ abe/森 モリ mori
池田 イケダ ikeda/橋本 ハシモト hashimoto/石川 イシカワ ishikawa/山下 ヤマシタ yamashita
小川 オガワ ogawa/石井 イシイ ishii/長谷川 ハセガワ hasegawa/後藤 ゴトウ goto/岡田 オカダ okada
近藤 コンドウ kondo/前田 マエダ maeda/藤田 フジタ fujita/遠藤 エンドウ endo/青木 アオキ aoki
坂本 サカモト sakamoto/村上 ムラカミ murakami/太田 オオタ ota/金子 カネコ kaneko
藤井 フジイ fujii/福田 フクダ fukuda/西村 ニシムラ nishimura/三浦 ミウラ miura
竹内 タケウチ takeuchi/中川 ナカガワ nakagawa/岡本 オカモト okamoto/松田 マツダ matsuda
原田 ハラダ harada/中野 ナカノ nakano/小野 オノ ono/田村 タムラ tamura/藤原 フジワラ fujiwara
中山 ナカヤマ nakayama/石田 イシダ ishida/小島 コジマ kojima/和田 ワダ wada/森田 モリタ morita
内田 ウチダ uchida/柴田 シバタ shibata/酒井 サカイ sakai/宮崎 ミヤザキ miyazaki
横山 ヨコヤマ yokoyama/高木 タカギ takagi/安藤 アンドウ ando/谷口 タニグチ taniguchi
"""

_GIVEN = """
翔太 ショウタ shota/健一 ケンイチ kenichi/大輔 ダイスケ daisuke/拓也 タクヤ takuya
直樹 ナオキ naoki/誠 マコト makoto/隆 タカシ takashi/浩二 コウジ koji/和也 カズヤ kazuya
達也 タツヤ tatsuya/亮 リョウ ryo/蓮 レン ren/悠斗 ユウト yuto/陽太 ヨウタ yota/湊 ミナト minato
樹 イツキ itsuki/蒼 アオイ aoi/大和 ヤマト yamato/颯太 ソウタ sota/修 オサム osamu
正 タダシ tadashi/清 キヨシ kiyoshi/茂 シゲル shigeru/進 ススム susumu/勝 マサル masaru
実 ミノル minoru/博 ヒロシ hiroshi/学 マナブ manabu/哲也 テツヤ tetsuya/雄一 ユウイチ yuichi
慎吾 シンゴ shingo/秀樹 ヒデキ hideki/さくら サクラ sakura/陽菜 ヒナ hina/結衣 ユイ yui
美咲 ミサキ misaki/葵 アオイ aoi/凛 リン rin/花子 ハナコ hanako/洋子 ヨウコ yoko
恵子 ケイコ keiko/幸子 サチコ sachiko/和子 カズコ kazuko/由美 ユミ yumi/真由美 マユミ mayumi
明美 アケミ akemi/久美子 クミコ kumiko/裕子 ユウコ yuko/直美 ナオミ naomi/智子 トモコ tomoko
愛 アイ ai/彩 アヤ aya/麻衣 マイ mai/舞 マイ mai/千尋 チヒロ chihiro/遥 ハルカ haruka
楓 カエデ kaede/七海 ナナミ nanami/莉子 リコ riko/心春 コハル koharu/美優 ミユ miyu/杏 アン an
琴音 コトネ kotone/節子 セツコ setsuko
"""

_LATIN_GIVEN = """
Alice Amélie Andreas Anna Beatriz Benjamin Carlos Chloé Daniel Elena Emma Ethan Fatima
Gabriel Grace Hannah Hugo Isabella Ivan Jack Julia Kevin Laura Liam Lucas Maria Martin Mia
Nguyen Noah Olga Oliver Paula Peter Priya Rosa Samuel Sofia Thomas Wei
"""
_LATIN_FAMILIES = """
Anderson Becker Bernard Brown Chen Costa Davies Dubois Evans Fernandez Fischer Garcia
Gonzalez Hansen Hughes Ivanova Jensen Johnson Kim Kowalski Larsen Lopez Martinez Meyer
Moreau Müller Nowak O'Brien Park Patel Pereira Rossi Santos Schmidt Silva Singh Smith Tran
Wilson Wong
"""

# Prefecture and the first two digits of one of its postcodes.
_PREFECTURES = """
北海道 06/青森県 03/岩手県 02/宮城県 98/秋田県 01/山形県 99/福島県 96/茨城県 31/栃木県 32
群馬県 37/埼玉県 33/千葉県 26/東京都 10/神奈川県 22/新潟県 95/富山県 93/石川県 92/福井県 91
山梨県 40/長野県 38/岐阜県 50/静岡県 42/愛知県 45/三重県 51/滋賀県 52/京都府 60/大阪府 53
兵庫県 65/奈良県 63/和歌山県 64/鳥取県 68/島根県 69/岡山県 70/広島県 73/山口県 75/徳島県 77
香川県 76/愛媛県 79/高知県 78/福岡県 81/佐賀県 84/長崎県 85/熊本県 86/大分県 87/宮崎県 88
鹿児島県 89/沖縄県 90
"""

_CITIES = "青葉市 若葉市 桜野市 緑川市 星見市 海風市 朝日野市 水無瀬野市 白樺市 花岡市"
_TOWNS = "本町 栄町 みどり町 さくら台 中央 若松町 東雲 泉が丘 日の出町 湖畔町 銀杏通り 新町"
_HOUSES = "コーポ桜 メゾン青葉 グリーンハイツ パークサイド サンライズ ハイム銀杏"
_DOMAINS = ("example.jp", "example.com", "example.net", "example.org")
_NOTES = (
    "ジャズの新譜が入ったら連絡してほしいとのこと。",
    "配送は土曜の午前を希望。",
    "{name}様より電話。折り返しは {phone} まで。",
    "請求書の宛名を変更(旧姓のまま登録されていた)。",
    "メールが届かないとの連絡。新しい宛先は {mail}",
    "クラシックの再発盤をよく購入。カタログ送付済み。",
    "引っ越しの予定あり。新住所は後日。",
    "贈り物用の包装を希望。届け先は{address}、{name}様方。",
    "返品の問い合わせ。対応済み。",
    "Prefers English. Call {phone} after 18:00.",
)

_T = TypeVar("_T")


class Customer(NamedTuple):
    """A row of `customers`."""

    customer_id: str
    name: str
    kana: str | None
    mail: str
    phone: str
    postcode: str
    prefecture: str
    address: str
    birth_date: date
    note: str | None
    created_on: date


class Purchase(NamedTuple):
    """A row of `purchases`, without its number. The amount is in US dollars, as CDNOW has it."""

    customer_id: str
    purchased_on: date
    quantity: int
    amount: Decimal


class Consent(NamedTuple):
    """A row of `consents`: which channels a customer agreed to, and since when (UTC)."""

    customer_id: str
    mail: bool
    sms: bool
    changed_at: datetime


class _Draws:
    """Numbers that look random and follow from `label` alone."""

    def __init__(self, label: str) -> None:
        self._bytes = hashlib.shake_256(label.encode()).digest(160)
        self._next = 0

    def below(self, limit: int) -> int:
        """Return the next number from 0 to `limit` - 1."""
        start, self._next = self._next, self._next + 4
        return int.from_bytes(self._bytes[start : start + 4], "big") % limit

    def one(self, choices: Sequence[_T]) -> _T:
        """Return one of `choices`."""
        return choices[self.below(len(choices))]


def _rows(table: str) -> list[tuple[str, ...]]:
    return [tuple(cell.split()) for line in table.split("\n") if line for cell in line.split("/")]


_FAMILY_ROWS, _GIVEN_ROWS = _rows(_FAMILIES), _rows(_GIVEN)
_PREFECTURE_ROWS = _rows(_PREFECTURES)
_LATIN_GIVEN_WORDS, _LATIN_FAMILY_WORDS = _LATIN_GIVEN.split(), _LATIN_FAMILIES.split()
_CITY_WORDS, _TOWN_WORDS, _HOUSE_WORDS = _CITIES.split(), _TOWNS.split(), _HOUSES.split()


def customer_id(number: int) -> str:
    """Return the id of customer `number`: `00001`."""
    return f"{number:05d}"


def customer(number: int) -> Customer:
    """Return the invented person behind CDNOW's customer `number` (from 1)."""
    draw = _Draws(f"customer {number}")
    name, kana, local = _names(draw)
    prefecture, area = draw.one(_PREFECTURE_ROWS)
    postcode = f"{area}{draw.below(10)}-{draw.below(10_000):04d}"
    person = Customer(
        customer_id=customer_id(number),
        name=name,
        kana=kana,
        mail=f"{local}{number}@{draw.one(_DOMAINS)}",
        phone=f"0{draw.one('79')}0-0{draw.below(1000):03d}-{draw.below(10_000):04d}",
        postcode=postcode,
        prefecture=prefecture,
        address=prefecture + _street(draw),
        birth_date=date(1930, 1, 1) + timedelta(days=draw.below(48 * 365)),
        note=None,
        created_on=_COHORT - timedelta(days=1 + draw.below(1000)),
    )
    note = draw.one(_NOTES).format(**person._asdict()) if draw.below(100) < 55 else None
    return person._replace(note=note)


def consent(number: int) -> Consent:
    """Return what customer `number` (from 1) agreed to."""
    draw = _Draws(f"consent {number}")
    changed = datetime(1997, 1, 1, tzinfo=UTC) + timedelta(seconds=draw.below(540 * 86_400))
    return Consent(customer_id(number), draw.below(100) < 62, draw.below(100) < 27, changed)


def purchases(text: str) -> Iterator[Purchase]:
    """Yield the rows of `CDNOW_master.txt`, in its order.

    Raises InvalidInput, naming the line, where a line is not four columns of the right kind.
    """
    for number, line in enumerate(text.splitlines(), start=1):
        if number == 1 or not line.strip():
            continue
        try:
            customer, day, quantity, amount = line.split()
            yield Purchase(
                customer_id(int(customer)),
                datetime.strptime(day, "%Y%m%d").replace(tzinfo=UTC).date(),
                int(quantity),
                Decimal(amount),
            )
        except (ValueError, InvalidOperation):
            raise InvalidInput(
                "This line of the CDNOW file is not: customer, date, quantity, amount.",
                subject=f"CDNOW_master.txt, line {number}",
                hint="Install it again: pip install --no-deps --force-reinstall lifetimes==0.11.3",
            ) from None


def _names(draw: _Draws) -> tuple[str, str | None, str]:
    """Return name, reading (or None) and the local part of a mail."""
    kind = draw.below(100)
    if kind >= 85:
        given, family = draw.one(_LATIN_GIVEN_WORDS), draw.one(_LATIN_FAMILY_WORDS)
        plain = f"{given}.{family}".lower().replace("'", "")
        return f"{given} {family}", None, plain.translate(str.maketrans("éèü", "eeu"))
    family, family_kana, family_latin = draw.one(_FAMILY_ROWS)
    given, given_kana, given_latin = draw.one(_GIVEN_ROWS)
    kana = f"{family_kana} {given_kana}" if kind < 70 else None
    return f"{family} {given}", kana, f"{given_latin}.{family_latin}"


def _street(draw: _Draws) -> str:
    block = f"{1 + draw.below(6)}-{1 + draw.below(30)}-{1 + draw.below(20)}"
    house = f" {draw.one(_HOUSE_WORDS)}{1 + draw.below(9)}0{1 + draw.below(8)}"
    flat = house if draw.below(100) < 45 else ""
    return f"{draw.one(_CITY_WORDS)}{draw.one(_TOWN_WORDS)}{block}{flat}"
