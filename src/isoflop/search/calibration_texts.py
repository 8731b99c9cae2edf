# ruff: noqa: RUF001  other scripts and typographic marks are what some of these texts are for
"""Texts of many kinds, written for this purpose, on which the ranges of int8 are measured.

Changing one changes vectors: raise `prepared.RECIPE` with it.
"""

TEXTS = (
    # plain statements and questions
    "The ferry leaves the harbour at half past seven and reaches the island before noon.",
    "How long does a battery keep its charge when it is stored in the cold?",
    "who wrote the first treatise on bridges",
    "No.",
    "Although the committee had met eleven times, and although each of its members had promised, "
    "in writing and at some length, to read the report, nobody could say what stood on page two.",
    # encyclopedia and science
    "A glacier forms where more snow falls in winter than melts in summer. Over decades the snow "
    "is pressed into firn and then into ice, which begins to flow under its own weight. The upper "
    "layers are brittle and break into crevasses; the lower ones deform slowly. At the snout the "
    "ice melts or calves into the sea, and what it carried is left behind as a moraine.",
    "Photosynthesis stores the energy of light in sugars. In the light reactions, chlorophyll in "
    "the thylakoid membrane splits water and releases oxygen; in the Calvin cycle, the enzyme "
    "RuBisCO fixes carbon dioxide. C4 plants such as maize and sorghum concentrate CO2 first and "
    "therefore lose less to photorespiration at 35 °C.",
    "The treaty of 1648 ended a war of thirty years. Sweden received western Pomerania, Bremen "
    "and Verden; France kept Metz, Toul and Verdun; the Swiss and the Dutch left the Empire.",
    "Patients with a history of anaphylaxis to penicillin were excluded. Of 412 participants, 207 "
    "received 500 mg amoxicillin every 8 hours (group A) and 205 a placebo; the primary endpoint "
    "was clinical cure on day 7 (odds ratio 1.84, 95% CI 1.21 to 2.79, p = 0.004).",
    # story and speech
    '"You will not find him," said the old woman, and went on shelling peas. "He went down to '
    'the river with the lantern, and the lantern came back alone." Thomas looked at the door, at '
    "the boots beside it, at the mud that had dried on them in the shape of a small red country.",
    "ok so i tried the thing u said & it STILL crashes lol... any ideas??? thx in advance :)",
    "Thou shalt not wander, quoth the knight, till dawn hath gilt yon tower's height.",
    # law, business, contracts
    "The Licensee shall indemnify and hold harmless the Licensor from and against any and all "
    "claims, losses, liabilities and expenses (including reasonable attorneys' fees) arising out "
    "of or relating to any breach of Section 4.2(b) of this Agreement.",
    "Net sales rose 6.4% to $3,218.7 million in the quarter ended June 30, against $3,025.1 "
    "million a year earlier. Gross margin was 41.2% of sales (2023: 39.8%). Cash provided by "
    "operating activities was $512 million; capital expenditures were $148 million.",
    "Dear Ms. Okafor, thank you for your order no. 88213-B of 14 March. The two valves (DN 50, "
    "PN 16) will leave our works in week 17. Please find the invoice attached. Kind regards",
    # code, configuration, logs
    "def moving_average(values, window):\n    total = 0.0\n    for i, v in enumerate(values):\n"
    "        total += v\n        if i >= window:\n            total -= values[i - window]\n"
    "        yield total / min(i + 1, window)\n",
    "#include <stdio.h>\nint main(int argc, char **argv) {\n  for (int i = 0; i < argc; ++i)\n"
    '    printf("%d: %s\\n", i, argv[i]);\n  return 0; /* done */\n}\n',
    "SELECT c.name, COUNT(*) AS orders FROM customers c LEFT JOIN orders o ON o.customer_id = c.id "
    "WHERE o.created_at >= '2024-01-01' GROUP BY c.name HAVING COUNT(*) > 3 ORDER BY 2 DESC;",
    '{"name": "sensor-7", "values": [0.13, -4.2e-05, 17], "ok": true, "unit": null}',
    '[server]\nhost = "0.0.0.0"\nport = 8080\nretries = 3\n\n[log]\nlevel = "warn"\n',
    "2024-11-02T08:15:42.113Z ERROR [worker-12] java.lang.NullPointerException at "
    "com.example.store.Cart.total(Cart.java:214) request_id=9f1c-77ab user=4410",
    "E: Unable to locate package; try `apt-get update` && chmod -R 0755 /usr/local/lib/libz.so.1",
    '<div class="card"><a href="https://example.org/a?b=1&c=2#top">More &raquo;</a></div>',
    # tables and numbers
    "| city | people | area km2 | founded |\n| --- | ---: | ---: | --- |\n| Turku | 202,250 | 306 "
    "| 1229 |\n| Porto | 231,800 | 41.4 | 417 |\n| Graz | 298,479 | 127.6 | 1128 |\n",
    "id;date;amount;currency\n1001;2023-02-11;149.90;EUR\n1002;2023-02-12;-20.00;EUR\n1003;"
    "2023-02-12;1,204.55;USD\n1004;2023-02-15;0.00;CHF\n",
    "3.14159 2.71828 1.41421 0.57722 1.61803 9.80665 6.02214e23 1.380649e-23 299792458 42 -17 0",
    "007 4711 1984 0xFF 0b1011 1e-9 99.99% +49 30 901820 192.168.0.1 10:45:00 12/31/1999 #ff8800",
    # mathematics
    "Let f : X → Y be continuous and K ⊂ X compact. Then f(K) is compact. Proof: if (U_i) covers "
    "f(K), the sets f⁻¹(U_i) cover K, finitely many suffice, and so do their images. ∎",
    "\\int_0^\\infty e^{-x^2} \\, dx = \\frac{\\sqrt{\\pi}}{2}, \\quad \\sum_{n=1}^\\infty "
    "\\frac{1}{n^2} = \\frac{\\pi^2}{6}",
    # markup and lists
    "## Installation\n\n1. Download the archive.\n2. Unpack it: `tar xzf tool.tar.gz`.\n3. Run "
    "`./configure --prefix=/opt && make`.\n\n> **Note:** on older systems use `gmake`.\n",
    "* eggs\n* flour (500 g)\n* 2 tbsp. olive oil\n* salt, pepper\n* 1 small onion, chopped\n",
    "Abstract. We study... [1], [2, pp. 3-7]; cf. Fig. 4 and Eq. (12). Keywords: graphs; trees.",
    # other languages and scripts, which this tokenizer cuts into small pieces
    "Der Bundesgerichtshof hat mit Urteil vom 12. Mai entschieden, dass die Kündigung der "
    "Mietverträge unwirksam war, weil die Eigenbedarfsgründe nicht ausreichend dargelegt wurden. "
    "Die Grundstücksverkehrsgenehmigung blieb davon unberührt.",
    "Wie viele Einwohner hatte Königsberg vor dem Krieg, und wann wurde die Straßenbahn eröffnet?",
    "Les ouvriers de la filature réclamaient une journée de huit heures; le préfet, inquiet, fit "
    "venir deux compagnies d'infanterie. Où étaient passés les registres de l'hôtel de ville ?",
    "El río nace a 2.300 metros de altitud y, tras recorrer quinientos kilómetros, desemboca cerca "
    "de la ciudad. ¿Cuántos habitantes tenía la región en el año 1900?",
    "Il treno parte alle otto. Dové il binario? Przyjechaliśmy późno, było już ciemno. İyi günler.",
    "Москва — столица России, город на реке. Η Αθήνα είναι η πρωτεύουσα της Ελλάδας.",
    "東京は日本の首都である。人口は約千四百万人。 北京是中国的首都。 서울은 대한민국의 수도이다.",
    "العربية لغة سامية. עברית היא שפה שמית. हिन्दी भारत की एक भाषा है। ไทย",
    # odd things that occur in real folders
    "......................................................................... 12",
    "- - - - - - - - - - - - - - - - - - - - -\n=========================\n*****\n_____",
    "aGVsbG8gd29ybGQgdGhpcyBpcyBiYXNlNjQ9 d41d8cd98f00b204e9800998ecf8427e QmFzZTY0IGlzIGZ1bg==",
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA zzzzzzzzzzzzzzz qwertyuiop ĳłøðþ",
    "the the the the the the the the the the the the the the the the the the the the the the",
    "🎉🚀 great 😀😀 ™ © ® ½ ¼ € £ ¥ § ¶ † ‡ • … “quoted” ‘single’ «guillemets» – —",
    "Contents\n\n1 Introduction 1\n1.1 Scope 2\n1.2 Terms 3\n2 Method 7\nIndex 203\n\f\n",
    "x",
    ".",
    "",
)
