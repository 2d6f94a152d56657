/// The tables that names are drawn from. All are common names; any likeness to a person is chance.
extension Heritage {
  static let spanish = Heritage(
    language: "es",
    given: [
      "María José", "José", "Lucía", "Andrés", "Sofía", "Martín", "Valentina", "Sebastián", "Inés", "Joaquín", "Camila",
      "Tomás", "Belén", "Álvaro", "Noemí", "Íñigo", "Ximena", "Óscar", "Begoña", "Jesús", "Rocío", "Adrián", "Úrsula",
      "Félix", "Paula", "Juan Carlos", "Isabel", "Raúl",
    ],
    family: [
      "García", "Muñoz", "Fernández", "Peña", "López", "Núñez", "Martínez", "Ibáñez", "Sánchez", "Güell", "Rodríguez",
      "Zúñiga", "Pérez", "Ordóñez", "Gómez", "Castañeda", "Ramírez", "Vásquez", "Torres", "Argüello", "Rojas",
      "Cárdenas", "Mejía", "Ríos", "Salazar", "Echeverría", "Villaseñor", "De la Cruz", "Del Río", "Ávila",
    ],
    pattern: .iberian
  )

  static let andean = Heritage(
    language: "es",
    given: [
      "Nayra", "Túpac", "Illari", "Rumi", "Killa", "Amaru", "Sumaq", "Inti", "Rosa", "Julián", "Flor", "Víctor",
      "Yéssica", "Wilber", "Milagros", "Edgar", "Katari", "Wayra", "Saturnino", "Nélida",
    ],
    family: [
      "Quispe", "Mamani", "Huamán", "Condori", "Ccori", "Choque", "Yupanqui", "Ñahui", "Flores", "Apaza", "Ticona",
      "Huanca", "Cusi", "Chambi", "Pumacahua", "Ccahuana", "Llanos", "Ñaupari", "Sullca", "Colque",
    ],
    pattern: .iberian
  )

  static let portuguese = Heritage(
    language: "pt",
    given: [
      "João", "Conceição", "Antônio", "Luíza", "Gonçalo", "Vitória", "Tainá", "Caetano", "Mônica", "Estêvão", "Júlia",
      "Ubirajara", "Iracema", "Sérgio", "Letícia", "Fábio", "Thaís", "Caio", "Patrícia", "Otávio", "Inês", "Zé",
    ],
    family: [
      "Silva", "Araújo", "Conceição", "Gonçalves", "Magalhães", "Brandão", "Lourenço", "Guimarães", "Simões", "Falcão",
      "Ribeiro", "Assunção", "Nóbrega", "Moraes", "Quintão", "Sampaio", "Teixeira", "Ávila", "Leão", "Vasconcelos",
    ],
    pattern: .lusophone
  )

  static let english = Heritage(
    language: "en",
    given: [
      "Emma", "Liam", "Olivia", "Noah", "Zoë", "James", "Chloë", "Ethan", "Renée", "Mason", "Ava", "Lucas", "D'Arcy",
      "Grace", "Henry", "Aaliyah", "Jamal", "Mary-Jane", "Tyrone", "Beyla", "Wyatt", "Imani", "Keanu", "Dakota",
    ],
    family: [
      "Smith", "Johnson", "O'Connor", "Washington", "Brontë", "McAllister", "Nguyen", "Freeman", "Begay", "Jefferson",
      "Kowalski", "St. John", "Kealoha", "Goldberg", "Van Buren", "Yazzie", "Banks", "Ferrari", "Patel", "Whitehorse",
    ],
    pattern: .western
  )

  static let german = Heritage(
    language: "de",
    given: [
      "Jürgen", "Käthe", "Björn", "Änne", "Götz", "Ursula", "Günter", "Bärbel", "Matthias", "Heike", "Jörg",
      "Friederike",
      "Lothar", "Sören", "Annelie", "Wolfgang",
    ],
    family: [
      "Müller", "Groß", "Schäfer", "Köhler", "Weiß", "Krüger", "Jäger", "Vößing", "Böhm", "Straßer", "Hübner", "Lüders",
      "Schröder", "Öztürk", "Kästner", "von Bülow",
    ],
    pattern: .western
  )

  static let french = Heritage(
    language: "fr",
    given: [
      "Élodie", "François", "Maëlle", "Loïc", "Anaïs", "Jérôme", "Hélène", "Gaël", "Solène", "Cédric", "Zoé", "Benoît",
      "Yasmine", "Mehdi", "Cœlia", "Raphaël",
    ],
    family: [
      "Lefèvre", "Benoît", "Gauthier", "Dupré", "L'Hôpital", "Châtelain", "Béranger", "Garçon", "Noël", "Benjelloun",
      "Tazi", "El Fassi", "Maréchal", "Lécuyer", "Saïdi", "Bœuf",
    ],
    pattern: .western
  )

  static let japanese = Heritage(
    language: "ja",
    given: [
      Word("陽菜", "hina"), Word("翔太", "shota"), Word("さくら", "sakura"), Word("大輔", "daisuke"), Word("美咲", "misaki"),
      Word("健一", "kenichi"), Word("ユリ", "yuri"), Word("蓮", "ren"), Word("結衣", "yui"), Word("拓海", "takumi"),
      Word("あおい", "aoi"), Word("悠真", "yuma"), Word("千尋", "chihiro"), Word("直樹", "naoki"), Word("守", "mamoru"),
      Word("ケンジ", "kenji"),
    ],
    family: [
      Word("佐藤", "sato"), Word("鈴木", "suzuki"), Word("高橋", "takahashi"), Word("田中", "tanaka"),
      Word("渡邊", "watanabe"), Word("伊藤", "ito"), Word("山本", "yamamoto"), Word("中村", "nakamura"),
      Word("小林", "kobayashi"), Word("加藤", "kato"), Word("吉田", "yoshida"), Word("髙木", "takagi"),
      Word("長谷川", "hasegawa"), Word("五十嵐", "igarashi"), Word("森", "mori"), Word("齋藤", "saito"),
    ],
    pattern: .familyFirst
  )

  static let arabic = Heritage(
    language: "ar",
    given: [
      Word("محمد", "mohammed"), Word("فاطمة", "fatima"), Word("أحمد", "ahmed"), Word("نور", "nour"),
      Word("يوسف", "youssef"), Word("ليلى", "layla"), Word("خالد", "khaled"), Word("مريم", "maryam"),
      Word("عمر", "omar"), Word("سلمى", "salma"), Word("عبد الله", "abdullah"), Word("هدى", "huda"),
      Word("إبراهيم", "ibrahim"), Word("آمنة", "amina"), Word("طارق", "tariq"), Word("زينب", "zaynab"),
      Word("بدر", "badr"), Word("رؤى", "ruaa"), Word("سعد", "saad"), Word("هند", "hind"),
    ],
    family: [
      Word("المصري", "elmasry"), Word("الحربي", "alharbi"), Word("العلوي", "alaoui"), Word("المنصوري", "almansoori"),
      Word("بن علي", "benali"), Word("القحطاني", "alqahtani"), Word("الشريف", "elsherif"), Word("الإدريسي", "idrissi"),
      Word("النجار", "elnaggar"), Word("الهاشمي", "alhashimi"), Word("السيد", "elsayed"), Word("المهيري", "almheiri"),
      Word("الغامدي", "alghamdi"), Word("بناني", "bennani"), Word("حسن", "hassan"), Word("الزهراني", "alzahrani"),
    ],
    fathers: [
      Word("محمود", "mahmoud"), Word("علي", "ali"), Word("عبد الرحمن", "abdulrahman"), Word("سعيد", "said"),
      Word("مصطفى", "mustafa"), Word("صالح", "saleh"), Word("راشد", "rashid"), Word("إدريس", "idris"),
    ],
    pattern: .patronymic
  )

  /// Names from further away, whose bearers read English where they live now.
  static let worldwide = Heritage(
    language: "en",
    given: [
      Word("Ольга Иванова", "olga.ivanova"), Word("Ελένη Παπαδοπούλου", "eleni.papadopoulou"),
      Word("王小明", "wang.xiaoming"), Word("김민준", "kim.minjun"), Word("अनुष्का शर्मा", "anushka.sharma"),
      Word("Nguyễn Thị Hương", "nguyen.huong"), Word("Łukasz Wiśniewski", "lukasz.wisniewski"),
      Word("Søren Ødegård", "soren.odegaard"), Word("דוד כהן", "david.cohen"), Word("สมชาย ใจดี", "somchai.jaidee"),
      Word("Þórdís Ævarsdóttir", "thordis.aevarsdottir"), Word("Ağgül İsmayılova", "aggul.ismayilova"),
      Word("Dvořák Jiří", "jiri.dvorak"), Word("தமிழ்ச்செல்வி", "tamilselvi"), Word("Гарри Ткаченко", "harry.tkachenko"),
      Word("Ọláyínká Adéyẹmí", "olayinka.adeyemi"), Word("ማርያም ተስፋዬ", "maryam.tesfaye"),
      Word("Իսահակ Պետրոսյան", "isahak.petrosyan"), Word("თამარ ბერიძე", "tamar.beridze"), Word("X Æ", "x.ae"),
    ],
    family: [],
    pattern: .whole
  )
}
