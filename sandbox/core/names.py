"""Names and places of Japan and of Latin script: frequent ones, for finding and for inventing.

From general knowledge, not from a register. Roughly four in ten people in Japan bear one of these
family names; whoever is called otherwise is not found by the dictionary alone.
"""

import unicodedata
from typing import NamedTuple


class Name(NamedTuple):
    """One name in its three scripts: `佐藤`, `サトウ`, `Sato`."""

    kanji: str
    kana: str
    latin: str


_FAMILIES = """
佐藤 サトウ sato/鈴木 スズキ suzuki/高橋 タカハシ takahashi/田中 タナカ tanaka/伊藤 イトウ ito
渡辺 ワタナベ watanabe/山本 ヤマモト yamamoto/中村 ナカムラ nakamura/小林 コバヤシ kobayashi
加藤 カトウ kato/吉田 ヨシダ yoshida/山田 ヤマダ yamada/佐々木 ササキ sasaki
山口 ヤマグチ yamaguchi/松本 マツモト matsumoto/井上 イノウエ inoue/木村 キムラ kimura
林 ハヤシ hayashi/斎藤 サイトウ saito/清水 シミズ shimizu/山崎 ヤマザキ yamazaki/阿部 アベ abe
森 モリ mori/池田 イケダ ikeda/橋本 ハシモト hashimoto/石川 イシカワ ishikawa
山下 ヤマシタ yamashita/小川 オガワ ogawa/石井 イシイ ishii/長谷川 ハセガワ hasegawa
後藤 ゴトウ goto/岡田 オカダ okada/近藤 コンドウ kondo/前田 マエダ maeda/藤田 フジタ fujita
遠藤 エンドウ endo/青木 アオキ aoki/坂本 サカモト sakamoto/村上 ムラカミ murakami
太田 オオタ ota/金子 カネコ kaneko/藤井 フジイ fujii/福田 フクダ fukuda/西村 ニシムラ nishimura
三浦 ミウラ miura/竹内 タケウチ takeuchi/中川 ナカガワ nakagawa/岡本 オカモト okamoto
松田 マツダ matsuda/原田 ハラダ harada/中野 ナカノ nakano/小野 オノ ono/田村 タムラ tamura
藤原 フジワラ fujiwara/中山 ナカヤマ nakayama/石田 イシダ ishida/小島 コジマ kojima
和田 ワダ wada/森田 モリタ morita/内田 ウチダ uchida/柴田 シバタ shibata/酒井 サカイ sakai
宮崎 ミヤザキ miyazaki/横山 ヨコヤマ yokoyama/高木 タカギ takagi/安藤 アンドウ ando
谷口 タニグチ taniguchi/大野 オオノ ono/丸山 マルヤマ maruyama/今井 イマイ imai
高田 タカダ takada/藤本 フジモト fujimoto/武田 タケダ takeda/村田 ムラタ murata/上野 ウエノ ueno
杉山 スギヤマ sugiyama/増田 マスダ masuda/平野 ヒラノ hirano/大塚 オオツカ otsuka
千葉 チバ chiba/久保 クボ kubo/松井 マツイ matsui/小山 コヤマ koyama/岩崎 イワサキ iwasaki
桜井 サクライ sakurai/野口 ノグチ noguchi/松尾 マツオ matsuo/野村 ノムラ nomura
木下 キノシタ kinoshita/菊地 キクチ kikuchi/佐野 サノ sano/大西 オオニシ onishi
杉本 スギモト sugimoto/新井 アライ arai/浜田 ハマダ hamada/菅原 スガワラ sugawara
市川 イチカワ ichikawa/水野 ミズノ mizuno/小松 コマツ komatsu/島田 シマダ shimada
古川 フルカワ furukawa/小西 コニシ konishi/前川 マエカワ maekawa/高野 タカノ takano
山内 ヤマウチ yamauchi/西田 ニシダ nishida/菊池 キクチ kikuchi/西川 ニシカワ nishikawa
北村 キタムラ kitamura/五十嵐 イガラシ igarashi/安田 ヤスダ yasuda/福島 フクシマ fukushima
東 アズマ azuma/中田 ナカタ nakata/平田 ヒラタ hirata/川口 カワグチ kawaguchi
服部 ハットリ hattori/岩田 イワタ iwata/土屋 ツチヤ tsuchiya/川崎 カワサキ kawasaki
飯田 イイダ iida/本田 ホンダ honda/樋口 ヒグチ higuchi/沢田 サワダ sawada/秋山 アキヤマ akiyama
永井 ナガイ nagai/山中 ヤマナカ yamanaka/中島 ナカジマ nakajima/関 セキ seki/馬場 ババ baba
星野 ホシノ hoshino/大橋 オオハシ ohashi/松浦 マツウラ matsuura/岡崎 オカザキ okazaki
川上 カワカミ kawakami/田口 タグチ taguchi/須藤 スドウ sudo/望月 モチヅキ mochizuki
渡部 ワタベ watabe/河野 コウノ kono/小田 オダ oda/尾崎 オザキ ozaki/早川 ハヤカワ hayakawa
荒木 アラキ araki/大久保 オオクボ okubo/小池 コイケ koike/熊谷 クマガイ kumagai
松岡 マツオカ matsuoka/野田 ノダ noda/白石 シライシ shiraishi/辻 ツジ tsuji/浅野 アサノ asano
岡 オカ oka/関口 セキグチ sekiguchi/広瀬 ヒロセ hirose/渡邊 ワタナベ watanabe
斉藤 サイトウ saito/齋藤 サイトウ saito/髙橋 タカハシ takahashi
"""

_GIVEN = """
翔太 ショウタ shota/健一 ケンイチ kenichi/大輔 ダイスケ daisuke/拓也 タクヤ takuya/健 ケン ken
直樹 ナオキ naoki/誠 マコト makoto/隆 タカシ takashi/浩二 コウジ koji/和也 カズヤ kazuya
達也 タツヤ tatsuya/亮 リョウ ryo/蓮 レン ren/悠斗 ユウト yuto/陽太 ヨウタ yota/湊 ミナト minato
樹 イツキ itsuki/蒼 アオイ aoi/大和 ヤマト yamato/颯太 ソウタ sota/修 オサム osamu
翼 ツバサ tsubasa/正 タダシ tadashi/清 キヨシ kiyoshi/茂 シゲル shigeru/進 ススム susumu
勝 マサル masaru/実 ミノル minoru/博 ヒロシ hiroshi/学 マナブ manabu/哲也 テツヤ tetsuya
雄一 ユウイチ yuichi/慎吾 シンゴ shingo/秀樹 ヒデキ hideki/太郎 タロウ taro/一郎 イチロウ ichiro
次郎 ジロウ jiro/三郎 サブロウ saburo/浩 ヒロシ hiroshi/明 アキラ akira/剛 ツヨシ tsuyoshi
聡 サトシ satoshi/徹 トオル toru/豊 ユタカ yutaka/稔 ミノル minoru/昇 ノボル noboru
健太 ケンタ kenta/大樹 ダイキ daiki/雄太 ユウタ yuta/裕太 ユウタ yuta/翔 ショウ sho
駿 シュン shun/優斗 ユウト yuto/大翔 ヒロト hiroto/陽翔 ハルト haruto/悠真 ユウマ yuma
健二 ケンジ kenji/賢治 ケンジ kenji/正樹 マサキ masaki/浩一 コウイチ koichi
康弘 ヤスヒロ yasuhiro/雅人 マサト masato/俊介 シュンスケ shunsuke/亮太 リョウタ ryota
拓海 タクミ takumi/海斗 カイト kaito/陸 リク riku/智也 トモヤ tomoya/和彦 カズヒコ kazuhiko
信之 ノブユキ nobuyuki/義雄 ヨシオ yoshio/幸男 ユキオ yukio/勇 イサム isamu/さくら サクラ sakura
陽菜 ヒナ hina/結衣 ユイ yui/美咲 ミサキ misaki/葵 アオイ aoi/凛 リン rin/花子 ハナコ hanako
洋子 ヨウコ yoko/恵子 ケイコ keiko/幸子 サチコ sachiko/和子 カズコ kazuko/由美 ユミ yumi
真由美 マユミ mayumi/明美 アケミ akemi/久美子 クミコ kumiko/裕子 ユウコ yuko/直美 ナオミ naomi
智子 トモコ tomoko/愛 アイ ai/彩 アヤ aya/麻衣 マイ mai/舞 マイ mai/千尋 チヒロ chihiro
遥 ハルカ haruka/楓 カエデ kaede/七海 ナナミ nanami/莉子 リコ riko/心春 コハル koharu
美優 ミユ miyu/杏 アン an/琴音 コトネ kotone/節子 セツコ setsuko/京子 キョウコ kyoko
順子 ジュンコ junko/典子 ノリコ noriko/美穂 ミホ miho/優子 ユウコ yuko/陽子 ヨウコ yoko
友美 トモミ tomomi/香織 カオリ kaori/恵 メグミ megumi/美香 ミカ mika/綾 アヤ aya
真理子 マリコ mariko/理恵 リエ rie/奈緒 ナオ nao/絵美 エミ emi/美紀 ミキ miki/里美 サトミ satomi
弘子 ヒロコ hiroko/悦子 エツコ etsuko/敏子 トシコ toshiko/文子 フミコ fumiko/千代 チヨ chiyo
紬 ツムギ tsumugi/芽依 メイ mei/咲良 サクラ sakura/結菜 ユナ yuna/詩 ウタ uta/澪 ミオ mio
沙織 サオリ saori/早紀 サキ saki/瞳 ヒトミ hitomi/望 ノゾミ nozomi/千夏 チナツ chinatsu
"""

_LATIN_GIVEN = """
Adam Alan Albert Alexander Alice Amelie Amy Andreas Andrew Angela Anita Anna Anthony Antonio
Barbara Beatriz Benjamin Brian Carla Carlos Carol Caroline Catherine Charles Charlotte Chloe
Christian Christine Christopher Claire Claudia Daniel David Deborah Diana Donald Dorothy Edward
Elena Elizabeth Emily Emma Eric Ethan Eva Fatima Francesca Francis Frank Gabriel George Grace
Hannah Harry Heather Helen Henry Hugo Ian Isabella Ivan Jack Jacob James Jane Jason Jennifer
Jessica Joan John Jonathan Jose Joseph Joshua Juan Judith Julia Julie Justin Karen Karl
Katherine Kathleen Kelly Kenneth Kevin Kimberly Klaus Larry Laura Lauren Liam Linda Lisa Louise
Lucas Lucy Luis Margaret Maria Marie Mark Martha Martin Mary Matthew Megan Melissa Mia Michael
Michelle Miguel Monica Nancy Natalie Nathan Nicholas Nicole Noah Nora Oliver Olivia Olga Pamela
Patricia Patrick Paul Paula Pedro Peter Philip Pierre Priya Rachel Raymond Rebecca Richard
Robert Roger Ronald Rosa Ruth Ryan Samantha Samuel Sandra Sara Sarah Scott Sharon Simon Sofia
Sophie Stefan Stephanie Stephen Steven Susan Teresa Thomas Timothy Tyler Ursula Veronica Victor
Victoria Vincent Virginia Walter William Wolfgang Yvonne Zoe
"""
_LATIN_FAMILIES = """
Adams Allen Anderson Bailey Baker Becker Bell Bennett Bernard Brooks Brown Campbell Carter Chen
Clark Collins Cook Cooper Costa Cox Davies Davis Diaz Dubois Edwards Evans Fernandez Ferrari
Fischer Flores Foster Garcia Gomez Gonzalez Gray Green Gupta Hall Hansen Harris Hernandez Hill
Hoffmann Howard Hughes Ivanov Ivanova Jackson Jansen Jenkins Jensen Johansson Johnson Jones
Kaiser Kelly Khan Kim King Kowalski Kumar Larsen Laurent Lee Lewis Lopez Martin Martinez Meyer
Miller Mitchell Moore Moreau Morgan Morris Murphy Nelson Nguyen Nielsen Nowak Oliveira Olsen
Ortiz Park Parker Patel Pereira Perez Peterson Petrov Phillips Powell Price Ramirez Ramos Reed
Richardson Richter Rivera Roberts Robinson Rodriguez Rogers Romano Ross Rossi Russell Sanchez
Sanders Santos Schmidt Schneider Schulz Scott Shaw Silva Simmons Singh Smith Stewart Sullivan
Tanner Taylor Thomas Thompson Torres Tran Turner Wagner Walker Wang Ward Watson Weber White
Williams Wilson Wong Wood Wright Yamada Yilmaz Young Zhang Zimmermann
"""

_PREFECTURES = """
北海道 青森県 岩手県 宮城県 秋田県 山形県 福島県 茨城県 栃木県 群馬県 埼玉県 千葉県 東京都
神奈川県 新潟県 富山県 石川県 福井県 山梨県 長野県 岐阜県 静岡県 愛知県 三重県 滋賀県 京都府
大阪府 兵庫県 奈良県 和歌山県 鳥取県 島根県 岡山県 広島県 山口県 徳島県 香川県 愛媛県 高知県
福岡県 佐賀県 長崎県 熊本県 大分県 宮崎県 鹿児島県 沖縄県
"""

# Invented: no municipality of Japan is called so, and no town of these names is meant.
_CITIES = "若葉市 桜野市 緑川市 星見市 海風市 朝日野市 水無瀬野市 白樺市 花岡市 虹ヶ丘市"
_TOWNS = "本町 栄町 みどり町 さくら台 中央 若松町 東雲 泉が丘 日の出町 湖畔町 銀杏通り 新町"
_LATIN_STREETS = "Maple Oak Cedar Willow Birch Chestnut Linden Juniper Hazel Rowan"
_LATIN_TOWNS = "Northfield Brookhaven Lakemere Stonebury Fairwick Elmsworth Ashcombe Greyford"


def _rows(table: str) -> tuple[Name, ...]:
    cells = (cell.split() for line in table.split("\n") if line for cell in line.split("/"))
    return tuple(Name(kanji, kana, latin.title()) for kanji, kana, latin in cells)


FAMILIES, GIVEN = _rows(_FAMILIES), _rows(_GIVEN)
LATIN_GIVEN, LATIN_FAMILIES = tuple(_LATIN_GIVEN.split()), tuple(_LATIN_FAMILIES.split())
PREFECTURES = tuple(_PREFECTURES.split())
CITIES, TOWNS = tuple(_CITIES.split()), tuple(_TOWNS.split())
LATIN_STREETS, LATIN_TOWNS = tuple(_LATIN_STREETS.split()), tuple(_LATIN_TOWNS.split())


def hiragana(katakana: str) -> str:
    """Return a reading in hiragana: `サトウ` as `さとう`."""
    return katakana.translate({code: code - 0x60 for code in range(ord("ァ"), ord("ヶ") + 1)})


def half_width(katakana: str) -> str:
    """Return a reading in the half-width forms that banks use: `サトウ` as `ｻﾄｳ`."""
    return "".join(_HALF.get(letter, letter) for letter in unicodedata.normalize("NFD", katakana))


_HALF = {unicodedata.normalize("NFKC", chr(code)): chr(code) for code in range(0xFF66, 0xFFA0)}
