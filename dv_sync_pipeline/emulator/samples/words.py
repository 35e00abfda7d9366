# ruff: noqa: RUF001 - scripts whose letters look like Latin ones are the point of this file
"""Words for the sample data, in the scripts that a hotel chain's real data is written in.

Belongs here: hand-written lists and nothing that chooses among them; that is `sample`. No word
belongs to a real hotel.
"""

from dataclasses import dataclass

__all__ = [
    "BED_NAMES",
    "BRAND_NAMES",
    "CITIES",
    "LANGUAGES",
    "RATE_PLAN_NAMES",
    "ROOM_TYPE_NAMES",
    "City",
    "Language",
]


@dataclass(frozen=True, slots=True)
class Language:
    """How hotels, rooms and remarks read in one language.

    Attributes:
        hotel_names: patterns with `{city}`.
        room_names: patterns with `{number}`.
        remarks: what housekeeping writes; some with line breaks.
        description: of a hotel, with `{city}`, several lines.

    """

    hotel_names: tuple[str, ...]
    room_names: tuple[str, ...]
    remarks: tuple[str, ...]
    description: str


@dataclass(frozen=True, slots=True)
class City:
    """A place with hotels: its name as it is written there, its language and where it lies."""

    name: str
    language: str
    latitude: float
    longitude: float


LANGUAGES = {
    "de": Language(
        ("Hotel Weißer Hirsch {city}", "Schloßhotel {city}", "Gästehaus Müller {city}"),
        ("Zimmer {number}", "Doppelzimmer {number}"),
        (
            "Fenster klemmt; Gäste über Straßenlärm informieren.",
            "Schlüssel Nr. 2 fehlt.\nErsatz ist bestellt.",
            "Süßes Frühstück, täglich ab 6:30 Uhr.",
        ),
        "Ruhig gelegen in {city}.\nFrühstück bis 11 Uhr, Küche über Mittag geöffnet.",
    ),
    "fr": Language(
        ("Hôtel de l'Étoile – {city}", "Le Château d'Été, {city}", "Auberge du Cœur de {city}"),
        ("Chambre {number}", "Chambre n° {number}"),
        (
            "Fenêtre côté cour, très calme.",
            "Prévoir un lit bébé à l'arrivée.\nDéjà confirmé par la réception.",
            "Rénovée à l'été ; moquette remplacée.",
        ),
        "Au cœur de {city}, à deux pas du marché.\nPetit-déjeuner servi jusqu'à 10 h 30.",
    ),
    "cs": Language(
        ("Hotel U Zlatého lva, {city}", "Zámecký hotel {city}", "Penzion Růžička {city}"),
        ("Pokoj {number}", "Pokoj č. {number}"),
        ("Výhled na řeku.", "Topení občas hučí.\nÚdržba přijde v úterý.", "Čerstvě vymalováno."),
        "Příjemný hotel v centru města {city}.\nSnídaně formou bufetu.",
    ),
    "is": Language(
        ("Hótel Norðurljós, {city}", "Gistiheimilið Þórsmörk – {city}"),
        ("Herbergi {number}", "Herb. {number}"),
        ("Útsýni yfir höfnina.", "Ofninn lekur.\nPípari kemur á föstudag."),
        "Hlýlegt hótel í {city}.\nMorgunverður innifalinn.",
    ),
    "tr": Language(
        ("Boğaziçi Oteli {city}", "Çınaraltı Konağı – {city}", "Gül Palas {city}"),
        ("Oda {number}", "{number} numaralı oda"),
        ("Denize bakıyor.", "Klima gürültülü çalışıyor.\nServis çağrıldı.", "Işıklar yenilendi."),
        "{city} merkezinde, iskeleye yürüyüş mesafesinde.\nKahvaltı dâhildir.",
    ),
    "vi": Language(
        ("Khách sạn Hoa Sen {city}", "Nhà nghỉ Biển Xanh {city}"),
        ("Phòng {number}", "Phòng số {number}"),
        ("Cửa sổ nhìn ra vườn.", "Cần thay bóng đèn.\nĐã báo bộ phận kỹ thuật."),
        "Nằm giữa trung tâm {city}.\nBữa sáng đã bao gồm.",
    ),
    "el": Language(
        ("Ξενοδοχείο Γαλάζιο Κύμα, {city}", "Αρχοντικό Ελαιώνας – {city}"),
        ("Δωμάτιο {number}", "Δίκλινο {number}"),
        ("Θέα στη θάλασσα.", "Το κλιματιστικό στάζει.\nΈχει ειδοποιηθεί ο τεχνικός."),
        "Ήσυχο ξενοδοχείο κοντά στο λιμάνι, {city}.\nΠρωινό σε μπουφέ.",
    ),
    "ru": Language(
        ("Гостиница «Северное сияние», {city}", "Отель «Берёзовая роща» – {city}"),
        ("Номер {number}", "Комната {number}"),
        ("Окна во двор, тихо.", "Требуется замена ковра.\nЗаявка подана.", "Подъёмник рядом."),
        "Уютный отель в центре, {city}.\nЗавтрак с 7:00 до 11:00.",
    ),
    "uk": Language(
        ("Готель «Білий лебідь», {city}", "Садиба «Їжачок» – {city}"),
        ("Номер {number}", "Кімната {number}"),
        ("Вигляд на річку.", "Замінити ключ-картку.\nҐанок вже полагоджено."),
        "Затишний готель біля парку, {city}.\nСніданок включено.",
    ),
    "ar": Language(
        ("فندق النخيل {city}", "قصر الضيافة – {city}"),
        ("غرفة {number}", "الغرفة رقم {number}"),
        ("تطل على البحر.", "المكيّف بحاجة إلى صيانة.\nتم إبلاغ الفني."),
        "يقع الفندق في قلب {city}.\nالإفطار مشمول في السعر.",
    ),
    "he": Language(
        ("מלון כוכב הים {city}", "אכסניית הגפן – {city}"),
        ("חדר {number}", "חדר מס׳ {number}"),
        ("נוף לים.", "המזגן רועש.\nהטכנאי יגיע ביום ראשון."),
        "מלון שקט במרכז {city}.\nארוחת בוקר כלולה.",
    ),
    "zh": Language(
        ("{city}金桂大酒店", "{city}云水宾馆", "{city}竹园客栈"),
        ("{number}号房", "{number}室"),
        ("朝南,可看湖景。", "空调噪音较大。\n已通知工程部。", "新装修,无烟房。"),
        "酒店位于{city}市中心。\n含双人早餐,免费停车。",
    ),
    "ja": Language(
        ("{city}花ごころ旅館", "ホテル青葉{city}", "{city}駅前イン"),
        ("{number}号室", "和室{number}"),
        ("眺めの良い角部屋。", "エアコンの音が大きい。\n修理を依頼済み。", "畳を新調しました。"),
        "{city}駅から徒歩五分。\n朝食はバイキング形式です。",
    ),
    "ko": Language(
        ("{city} 푸른솔 호텔", "{city} 달빛 여관"),
        ("{number}호", "객실 {number}"),
        ("바다 전망.", "욕실 환풍기 교체 필요.\n접수 완료."),
        "{city} 중심가에 위치한 호텔입니다.\n조식이 포함되어 있습니다.",
    ),
    "th": Language(
        ("โรงแรมดอกบัวทอง {city}", "เรือนพักริมน้ำ {city}"),
        ("ห้อง {number}", "ห้องพัก {number}"),
        ("วิวแม่น้ำ", "เครื่องปรับอากาศเสียงดัง\nแจ้งช่างแล้ว"),
        "โรงแรมใจกลางเมือง{city}\nรวมอาหารเช้าแล้ว",
    ),
    "hi": Language(
        ("होटल सूर्योदय {city}", "राजमहल अतिथि गृह – {city}"),
        ("कमरा {number}", "कक्ष {number}"),
        ("बगीचे का दृश्य।", "पंखा ठीक करना है।\nमिस्त्री को सूचना दी गई।"),
        "{city} के बीचोंबीच स्थित शांत होटल।\nनाश्ता शामिल है।",
    ),
}

CITIES = (
    City("Köln", "de", 50.9384, 6.9599),
    City("Zürich", "de", 47.3744, 8.5411),
    City("Bamberg", "de", 49.8916, 10.8868),
    City("Besançon", "fr", 47.2378, 6.0241),
    City("Nîmes", "fr", 43.8367, 4.3601),
    City("Plzeň", "cs", 49.7475, 13.3776),
    City("Ústí nad Labem", "cs", 50.6607, 14.0323),
    City("Ísafjörður", "is", 66.0750, -23.1259),
    City("Eskişehir", "tr", 39.7767, 30.5206),
    City("İzmir", "tr", 38.4237, 27.1428),
    City("Đà Nẵng", "vi", 16.0544, 108.2022),
    City("Huế", "vi", 16.4637, 107.5909),
    City("Θεσσαλονίκη", "el", 40.6401, 22.9444),
    City("Χανιά", "el", 35.5138, 24.0180),
    City("Алматы", "ru", 43.2389, 76.8897),
    City("Псков", "ru", 57.8194, 28.3318),
    City("Львів", "uk", 49.8397, 24.0297),
    City("Чернігів", "uk", 51.4982, 31.2893),
    City("مراكش", "ar", 31.6295, -7.9811),
    City("صلالة", "ar", 17.0151, 54.0924),
    City("חיפה", "he", 32.7940, 34.9896),
    City("אילת", "he", 29.5577, 34.9519),
    City("苏州", "zh", 31.2990, 120.5853),
    City("昆明", "zh", 24.8801, 102.8329),
    City("臺南", "zh", 22.9999, 120.2270),
    City("金沢", "ja", 36.5613, 136.6562),
    City("長崎", "ja", 32.7503, 129.8777),
    City("부산", "ko", 35.1796, 129.0756),
    City("경주", "ko", 35.8562, 129.2247),
    City("เชียงใหม่", "th", 18.7883, 98.9853),
    City("อยุธยา", "th", 14.3532, 100.5684),
    City("जयपुर", "hi", 26.9124, 75.7873),
    City("वाराणसी", "hi", 25.3176, 82.9739),
)

BRAND_NAMES = (
    "Contoso Classic",
    "Contoso Résidences",
    "Weiße Rose Gasthöfe",
    "Ξενώνες Αμφορέας",
    "Дом у озера",
    "واحة كونتوسو",
    "אורחן",
    "云栖精选",
    "こもれび荘",
    "하늘정원",
    "บ้านพักใจ",
    "अतिथि निवास",
)
"""One for each brand of the sample."""

ROOM_TYPE_NAMES = (
    "Einzelzimmer",
    "Chambre double Supérieure",
    "Dvoulůžkový pokoj",
    "Aile odası",
    "Δίκλινο με θέα",
    "Люкс с балконом",
    "جناح عائلي",
    "חדר נגיש",
    "豪华大床房",
    "和洋室",
    "온돌방",
    "पारिवारिक कमरा",
)
"""One for each room type of the sample."""

RATE_PLAN_NAMES = (
    "Flexible – Frühstück inklusive",
    "Séjour prolongé, 3 nuits et +",
    "Nevratná sazba",
    "Erken rezervasyon",
    "Πρώιμη κράτηση",
    "Гибкий тариф",
    "سعر مرن",
    "מחיר מוקדם",
    "提前预订价",
    "早割プラン",
    "조기 예약 할인",
    "อัตราพิเศษ",
    "अग्रिम बुकिंग दर",
)

BED_NAMES = ("Single", "Twin", "Double", "King", "Futon")
