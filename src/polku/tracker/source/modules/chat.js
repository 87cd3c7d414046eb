// A button in the corner that hands over to the shop's people: its own chat, the phone, a letter. A visitor who is known
// gets a short code; who tells it spares the question where they were. Loaded by messages.js.
import { button, grow, make, name, shadow } from "./messages.js";

export default function () {}

export function draw(piece, tools) {
  const { words } = piece;
  const host = make("div", { "data-polku-piece": piece.message, lang: piece.language });
  const root = shadow(host);
  const id = name();
  const title = make("h2", { id: id + "t", tabIndex: -1 }, piece.title || words.chat);
  const code = make("p", { className: "n", role: "status" });
  const ways = make("div", { className: "g" });
  const panel = make(
    "dialog",
    { id: id, className: "p c above", "aria-labelledby": id + "t" },
    title,
    make("p", { className: "n" }, piece.open ? words.open : [piece.away || "", piece.opens ? " " + piece.opens : ""].join("").trim()),
    ...grow(piece.body),
    ways,
    code,
    make("button", { type: "button", className: "x", "aria-label": words.close, onclick: () => toggle(false) }, "\u00d7"),
  );
  const opener = make(
    "button",
    { type: "button", className: "m q", "aria-expanded": "false", "aria-controls": id, onclick: () => toggle(!panel.open) },
    piece.title || words.chat,
  );
  let shown = false;

  function toggle(open) {
    if (open) {
      panel.show();
      title.focus();
      if (!shown) tools.tell("shown").catch((error) => console.warn("polku", error));
      shown = true;
    } else {
      panel.close();
      opener.focus();
    }
    opener.setAttribute("aria-expanded", String(open));
  }

  // The shop's own chat opens at once, for it may need the click itself; the code comes when it has been made.
  function hand(via, work) {
    const asking = Promise.resolve(tools.help(via) || { code: "" });
    if (work) work();
    tools.tell("clicked", { url: via }).catch((error) => console.warn("polku", error));
    return asking
      .then((told) => {
        if (told.code) code.textContent = words.code.replace("{code}", told.code);
        document.dispatchEvent(new CustomEvent("polku:help", { detail: { via: via, code: told.code || "" } }));
        return told.code || "";
      })
      .catch((error) => console.warn("polku", error));
  }

  function own() {
    const { call, arguments: given, click } = piece.chat;
    if (click) {
      const target = document.querySelector(click);
      if (target) target.click();
      else console.warn("polku: the page has no", click);
    }
    if (call) {
      const steps = call.split(".");
      const last = steps.pop();
      const holder = steps.reduce((found, step) => found && found[step], window);
      if (holder && typeof holder[last] == "function") holder[last](...(given || []));
      else console.warn("polku: the page has no function", call);
    }
  }

  if (piece.chat && piece.open) ways.append(button(words.chat, true, () => hand("chat", own)));
  if (piece.phone && piece.open) {
    const number = make("a", { className: "b", href: "tel:" + piece.phone.replace(/[^+\d]/g, "") }, words.call + " " + piece.phone);
    number.addEventListener("click", () => hand("phone"));
    ways.append(number);
  }
  if (piece.mail) {
    const letter = make("a", { className: "b", href: "mailto:" + piece.mail }, words.write);
    letter.addEventListener("click", (event) => {
      event.preventDefault(); // the code goes along in the subject
      hand("mail").then((made) => {
        location.href = "mailto:" + piece.mail + (made ? "?subject=" + encodeURIComponent("[" + made + "] ") : "");
      });
    });
    ways.append(letter);
  }

  panel.addEventListener("keydown", (event) => event.key == "Escape" && toggle(false));
  root.append(panel, opener);
  document.body.append(host);
  return { remove: () => host.remove() };
}
