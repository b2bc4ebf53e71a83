"""Text that is not UTF-8: guesses that are right, guesses that are shown, and no guess."""
# ruff: noqa: RUF001 - letters of many scripts

from __future__ import annotations

import random

import pytest

from langchain_gemini_qdrant.cli.documents.decoding import find_encoding
from langchain_gemini_qdrant.errors import InvalidInputError

TEXTS = {
    "de": "Die Bücher stehen im Regal über dem Schreibtisch. Größere Mengen müssen vorher "
    "angemeldet werden. Für Gäste gibt es früh Kaffee. Ein „Schlüssel“ hängt neben der Tür. "
    "Straßen und Plätze werden täglich gekehrt. Das Gerät läuft bei 20 °C am längsten. "
    "Ärger gibt es nur, wenn niemand zuhört. Öl kostet heute 3,50 € je Liter.",
    "fr": "Le café est fermé à midi et rouvre après la sieste. Les élèves ont reçu leurs notes. "
    "Où est passée la clé de l’entrée ? Une fenêtre ouverte laisse entrer la fraîcheur. "
    "À la fin de l’été, les prix ont augmenté de 5 €. Il a déjà été prévenu : rien n’y a fait. "
    "Ça va bien, merci. Le maître d’œuvre a signé « sans réserve ».",
    "es": "El niño comió una manzana en el jardín. Mañana habrá una reunión a las ocho. "
    "¿Dónde está la llave del almacén? Según el informe, la producción bajó un 3 %. "
    "Así terminó el año más frío de la década. ¡Qué lástima! La señora Núñez vivía aquí. "
    "El próximo tren saldrá del andén número dos. Costará 12 € por día.",
    "it": "La città è più bella di sera. Non c’è più tempo per le novità. Perché nessuno è venuto? "
    "Lunedì il museo è chiuso. Il caffè costa un euro e venti. Così finì la giornata. "
    "L’università aprirà martedì. Ciò che è stato è stato. La qualità però è rimasta.",
    "pl": "Książka leży na stole obok łóżka. Każdy może wziąć udział w spotkaniu. Gdzie są klucze? "
    "Dziś jest chłodno, więc proszę zamknąć okna. Źródła podają różne liczby. "
    "Żadna z osób nie zgłosiła się na czas. Święta spędzimy w górach. Później pójdziemy dalej.",
    "cs": "Kniha leží na stole vedle postele. Každý se může zúčastnit schůzky. Kde jsou klíče? "
    "Dnes je chladno, proto prosím zavřete okna. Různé zdroje uvádějí různá čísla. "
    "Příští týden přijede návštěva z města. Děti si hrají na dvoře před školou.",
    "hu": "A könyv az asztalon fekszik az ágy mellett. Mindenki részt vehet a megbeszélésen. "
    "Hol vannak a kulcsok? Ma hűvös van, ezért csukják be az ablakokat. "
    "A különböző források különböző számokat közölnek. A gyűlés hétfőn délelőtt kezdődik.",
    "ru": "Книга лежит на столе рядом с кроватью. Каждый может принять участие во встрече. "
    "Сегодня прохладно, поэтому закройте окна. Разные источники называют разные числа. "
    "Дети играют во дворе перед школой. Поезд отправляется в восемь часов утра.",
    "el": "Το βιβλίο είναι πάνω στο τραπέζι δίπλα στο κρεβάτι. Ο καθένας μπορεί να έρθει. "
    "Σήμερα κάνει κρύο, γι’ αυτό κλείστε τα παράθυρα. Τα παιδιά παίζουν στην αυλή του σχολείου. "
    "Το τρένο φεύγει στις οκτώ το πρωί.",
    "tr": "Kitap yatağın yanındaki masanın üstünde duruyor. Herkes toplantıya katılabilir. "
    "Bugün hava serin, lütfen pencereleri kapatın. Çocuklar okulun önündeki bahçede oynuyor. "
    "Işıklar söndü ve şehir sessizliğe gömüldü. Öğrenciler öğleden sonra dağılacak.",
    "ja": "本はベッドの横の机の上にあります。会議には誰でも参加できます。今日は寒いです。"
    "窓を閉めてください。子どもたちは学校の前の庭で遊んでいます。電車は朝八時に出発します。詳しくはLinuxの手引きを見てください。",
    "zh-CN": "书在床边的桌子上。每个人都可以参加会议。今天很冷，请把窗户关上。"
    "孩子们在学校前面的院子里玩。火车早上八点出发。详细内容请看用户手册。",
    "zh-TW": "書在床邊的桌子上。每個人都可以參加會議。今天很冷，請把窗戶關上。"
    "孩子們在學校前面的院子裡玩。火車早上八點出發。詳細內容請看使用手冊。",
    "ko": "책은 침대 옆 책상 위에 있습니다. 오늘은 춥습니다. "
    "창문을 닫아 주세요. 아이들은 학교 앞 마당에서 놀고 있습니다.",
}
"""A few plain sentences in each language."""

WESTERN = ["de", "fr", "es", "it"]
CELLS = {
    "de": (["Müller", "Jäger", "Groß", "Weber"], ["Kühlschrank", "Fußmatte", "Öl", "Lampe"]),
    "fr": (["Lefèvre", "François", "Noël", "Moreau"], ["Théière", "Câble", "Été", "Lampe"]),
    "es": (["Muñoz", "García", "Peña", "Ruiz"], ["Cañón", "Jabón", "Teléfono", "Mesa"]),
    "it": (["Niccolò", "Cantù", "Nardò", "Rossi"], ["Caffè", "Tè", "Umidità", "Tavolo"]),
}


@pytest.fixture
def decode(tmp_path):
    """Return a text as the command line reads its bytes, and the notice."""

    def decode(content):
        path = tmp_path / "file"
        path.write_bytes(content)
        found = find_encoding(path)
        return content.decode(found.name), found.notice

    return decode


def windows(language, seed):
    """Return 25 windows of 80 to 300 characters, each with a letter beyond ASCII."""
    chance = random.Random(f"{language} {seed}")
    text = f"{TEXTS[language]} {TEXTS[language]}"
    found = []
    while len(found) < 25:
        start = chance.randrange(len(text) // 2)
        window = text[start : start + chance.randrange(80, 300)]
        if sum(not c.isascii() for c in window) > 1:
            found.append(window)
    return found


def table(language, rows, seed):
    """Return separated values with prices, tolerances and degrees, as Excel exports them."""
    chance = random.Random(f"{language} {rows} {seed}")
    names, things = CELLS[language]
    lines = [
        f"{chance.choice(names)} & {chance.choice(names)};{chance.choice(things)};"
        f"{chance.randrange(90)} °C ± {chance.randrange(9)};{chance.randrange(999)},50 "
        f"{chance.choice(['€', 'EUR'])}"
        for _ in range(rows)
    ]
    return "\r\n".join(["Name;Typ;Temp.;Preis", *lines, ""])


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("language", WESTERN)
def test_western_prose_is_always_read_as_it_was_written(decode, language, seed):
    for window in windows(language, seed):
        assert decode(window.encode("cp1252"))[0] == window


@pytest.mark.parametrize("rows", [1, 3, 10, 50, 300])
@pytest.mark.parametrize("language", WESTERN)
def test_western_tables_are_always_read_as_they_were_written(decode, language, rows):
    for seed in range(10):
        text = table(language, rows, seed)
        assert decode(text.encode("cp1252"))[0] == text


@pytest.mark.parametrize(
    ("language", "encoding"),
    [
        *[
            (language, encoding)
            for language in ("pl", "cs")
            for encoding in ("cp1250", "iso8859-2")
        ],
        ("hu", "cp1250"),
        *[("ru", encoding) for encoding in ("cp1251", "koi8-r", "cp866")],
        ("el", "cp1253"),
        ("tr", "cp1254"),
        *[("ja", encoding) for encoding in ("cp932", "euc-jp")],
        ("zh-CN", "gb18030"),
        ("zh-TW", "big5"),
        ("ko", "euc-kr"),
        *[("de", encoding) for encoding in ("cp850", "mac-roman")],
    ],
)
def test_other_encodings_are_guessed_and_shown(decode, language, encoding):
    content = TEXTS[language].encode(encoding, "ignore")
    text, notice = decode(content)
    assert text == content.decode(encoding)
    first = next(word for word in text.split() if not word.isascii())
    assert f"which is a guess: “{first[:12]}" in notice
    assert "If it is wrong: --encoding NAME --cleanup source" in notice


@pytest.mark.parametrize(
    "text",
    ["20 °C ± 2", "Preis: 3,50 €", "Größe und Maß. " * 40, "Öl;Tür;Müll", "À l’été", "GUI´s"],
)
def test_little_text_in_latin_letters_is_read_as_browsers_and_excel_would(decode, text):
    assert decode(text.encode("cp1252"))[0] == text


def test_notice_shows_words_and_what_they_would_be_otherwise(decode):
    _, notice = decode("Le café est fermé à midi".encode("cp1252"))
    assert "read as cp1252, which is a guess: “café fermé à” (cp1250: “café fermé ŕ”)" in notice


@pytest.mark.parametrize(
    ("text", "encoding"),
    [("Michał Kułakowski", "cp1250"), ("Müller", "cp850"), ("Αθήνα", "cp1253")],
)
def test_improbable_guess_is_not_acted_on(decode, text, encoding):
    with pytest.raises(InvalidInputError, match="name it with --encoding"):
        decode(text.encode(encoding))


def test_refusal_shows_what_probable_encodings_give(decode):
    with pytest.raises(InvalidInputError, match="cp1250: “Zażółć gęślą jaźń”"):
        decode("Zażółć gęślą jaźń".encode("cp1250"))


def test_last_line_counts_though_it_has_no_end(decode):
    text = f"Header only, in ASCII, but for one ü.\n{TEXTS['pl']}".encode("cp1250", "replace")
    assert decode(text)[0].endswith("dalej.")
    assert "Książka" in decode(text)[0]


def test_text_that_needs_a_byte_order_mark_and_has_none_names_what_needs_none(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes("Grüße".encode("utf-16-le"))
    with pytest.raises(InvalidInputError, match="utf-16-le or utf-16-be"):
        find_encoding(path)
    with pytest.raises(InvalidInputError, match="may be utf-16-le or utf-16-be, but not utf-16"):
        find_encoding(path, "utf-16")
    assert find_encoding(path, "utf-16-le").name == "utf-16-le"


def test_notice_shows_whole_cells_and_marks_where_a_word_is_cut(decode):
    _, notice = decode("Table,9.50,Müller;Café\ntable,9.50,Größe\n".encode("cp1252"))
    assert "“Müller Café Größe”" in notice
    _, notice = decode(("a" * 30 + "ü" + "b" * 30).encode("cp1252"))
    assert f"“…{'a' * 12}ü{'b' * 11}…”" in notice
