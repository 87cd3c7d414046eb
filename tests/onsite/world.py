"""A shop whose site shows things: its map, its pieces of content, the pages of the shop itself."""

from __future__ import annotations

import textwrap
from pathlib import Path

from polku.record.project import Project, create_project

MAP = """
polku: 1
title: Kauppa
timezone: Europe/Helsinki
stages:
  - id: looking
    title: Katselee
    touchpoints:
      - {id: product, match: {event: Product Viewed}}
  - id: customer
    title: Asiakas
    touchpoints:
      - {id: order, match: {event: Order Completed}}
surveys:
  easy:
    title: {fi: Oliko helppoa, en: Was it easy}
    thanks: {fi: Kiitos vastauksesta!, en: Thank you!}
    questions:
      - {id: effort, kind: ces}
      - {id: why, kind: text, if: {question: effort, at_most: 3}}
      - id: heard
        kind: choice
        choices: [{id: friend, title: {fi: Ystävältä, en: A friend}}, {id: other, title: Muualta}]
site:
  delivery: {content: content/delivery.fi.md, pages: ["/product*"], state: "on"}
  size: {content: content/size.fi.md, state: "on"}
  fabric: {content: content/fabric.fi.md, state: "on"}
  ask: {content: content/ask.fi.md, pages: [/quiz.html, /], state: "on"}
  help: {content: content/help.fi.md, pages: [/quiz.html], state: "on"}
  strip: {content: content/strip.fi.md, pages: [/quiz.html], state: "on"}
  hidden: {content: content/strip.fi.md, state: draft}
guidance:
  - id: newsletter_popup
    when: {reached: product}
    only_if: {not: {consent: email}}
    send: {channel: site, content: content/newsletter_popup.fi.md}
    holdout: 0 %
    state: "on"
  - id: first_order_code
    when: {event: Newsletter Subscribed, again: once}
    only_if: {consent: email}
    send: {channel: email, content: content/first_order_code.fi.md}
    owed: true
    state: "on"
"""
PIECES = {
    "newsletter_popup.fi.md": """
        ---
        channel: site
        subject: Etu ensimmäiseen tilaukseen
        shows: popup
        pages: "/product*"
        form:
          fields: [email, first_name]
          button: Tilaa kirje
          thanks: "**Kiitos!** Koodi on jo matkalla sähköpostiisi."
          consent: email
          consent_text: Lähettämällä tilaat uutiskirjeen. Voit [perua](/tietosuoja) koska tahansa.
        ---
        Tilaa uutiskirje, niin saat **koodin** ensimmäiseen tilaukseesi.
        """,
    "newsletter_popup.en.md": """
        ---
        channel: site
        subject: A benefit for your first order
        shows: popup
        pages: "/product*"
        form:
          fields: [email, first_name]
          button: Join
          thanks: "**Thank you!** The code is on its way."
          consent: email
          consent_text: By sending this you join the letter.
        ---
        Join the letter.
        """,
    "first_order_code.fi.md": """
        ---
        subject: Koodisi
        ---
        Hei {{ customer.first_name | default: "sinä" }}, koodisi on **ENSI10**.
        """,
    "delivery.fi.md": """
        ---
        channel: site
        shows: inline
        subject: Toimitus
        place: delivery
        height: 90
        ---
        Toimitus 2–3 päivässä, palautus 30 päivää.
        """,
    "size.fi.md": """
        ---
        channel: site
        subject: Mikä tyyli on sinun?
        shows: quiz
        place: quiz
        trait: style
        questions:
          - id: pattern
            text: Kumpi on enemmän sinua?
            choices:
              - {text: Kukkia, to: {boho: 2}}
              - {text: Yksivärinen, to: classic}
          - id: when
            text: Milloin käytät sitä?
            several: true
            choices:
              - {text: Juhlissa, to: classic}
              - {text: Festivaaleilla, to: {boho: 1}}
        results:
          classic: {title: Klassinen, text: "Valitse **yksinkertaista**."}
          boho: {title: Boho, text: Kukkia ja pitsiä., button: {text: Katso mekot, to: /product.html}}
        ---
        Kaksi kysymystä.
        """,
    "fabric.fi.md": """
        ---
        channel: site
        subject: Paljonko kangasta?
        shows: calculator
        place: "#calculator"
        inputs:
          - {id: people, label: Vieraita, min: 1, max: 200, value: 10, unit: hlö}
          - id: table
            label: Pöytä
            choices: [{text: Pyöreä, value: 1.5}, {text: Pitkä, value: 1}]
        outputs:
          - {id: metres, label: Kangasta, formula: "ceil(people * 0.6 * table)", unit: m}
          - {id: price, label: Hinta, formula: "metres * if(metres > 20, 20, 24.9)", format: money}
        ---
        """,
    "ask.fi.md": """
        ---
        channel: site
        subject: Yksi kysymys
        shows: survey
        survey: easy
        place: survey
        ---
        """,
    "help.fi.md": """
        ---
        channel: site
        subject: Kysy meiltä
        shows: chat
        chat: {call: Shop.chat, arguments: [open]}
        phone: +358 40 123 4567
        mail: asiakaspalvelu@kauppa.example
        away: Emme ole nyt paikalla.
        ---
        Autamme mielellämme.
        """,
    "strip.fi.md": """
        ---
        channel: site
        subject: Ilmainen toimitus
        shows: banner
        button: {text: Katso ehdot, to: /terms.html}
        ---
        yli 60 euron tilauksiin tänään.
        """,
}
TOML = """
language = "fi"
[server]
sign_in = "never"
[mail]
host = "127.0.0.1"
port = 1
security = "none"
sender = "Kauppa <hei@kauppa.example>"
links = "https://polku.kauppa.example"
"""


def make(folder: Path) -> Project:
    """The project of the shop."""
    content = folder / "content"
    content.mkdir(parents=True)
    (folder / "journey.yaml").write_text(MAP, encoding="utf-8")
    (folder / "polku.toml").write_text(TOML, encoding="utf-8")
    for name, text in PIECES.items():
        (content / name).write_text(textwrap.dedent(text).lstrip("\n"), encoding="utf-8")
    return create_project(folder, "fi")
