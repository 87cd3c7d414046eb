// What is shown on the page: asks Polku what there is, and decides when. It draws nothing itself; messages.js does, and is
// fetched when the first piece is due. Loaded by polku.js when Polku says that something is shown on the site, or when
// the page has a place for it. Described in docs/on-site.md.
const host = import.meta.url.replace(/\/polku\/[^/]*$/, "");
const STORE = "polku.site";
const doc = document;

export default function (polku, option, who) {
  const random = () =>
    Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => (byte + 256).toString(16).slice(1)).join("");
  const language = () => (doc.documentElement.lang || "").slice(0, 2).toLowerCase();
  const granted = () => polku.status().granted;
  const known = new Map(); // every piece that was heard of, by its message
  const armed = new Map(); // what takes back the waiting of a piece for its moment
  const drawn = new Map(); // what stands on the page now
  const gone = new Set(); // closed, clicked or answered on this page
  const seen = new Set(); // shown on this page view
  let pauses = [1, 2, 3, 5, 10, 20, 40, 60];
  let turn = 0;
  let timer = 0;
  let place = location.pathname;
  let words = null; // of the reviews

  // ---- asking

  const ask = (path, body) =>
    fetch(host + path, {
      method: body ? "POST" : "GET",
      body: body && JSON.stringify(Object.assign({ writeKey: option.key || "", language: language() }, person(), body)),
      keepalive: !!body,
      credentials: "omit",
    });

  function person() {
    const { id, session } = who();
    return { anonymousId: id || "", session: session, user: option.user, proof: option.proof };
  }

  function everyone() {
    ask("/site/pieces?language=" + language())
      .then((answer) => (answer.ok ? answer.json() : { pieces: [] }))
      .then((told) => {
        pauses = told.again || pauses;
        words = told.reviews;
        reviews();
        heard(told.pieces, true);
      })
      .catch((error) => console.warn("polku", error));
  }

  // A rule fires a moment after what it waits for, so it is asked soon and then ever more rarely, while the page is seen.
  function later() {
    clearTimeout(timer);
    if (!doc.hidden && turn < pauses.length && who().id) timer = setTimeout(mine, pauses[turn++] * 1000);
  }

  function mine() {
    if (!who().id) return;
    ask("/site/waiting", {})
      .then((answer) => (answer.ok ? answer.json() : { messages: [] }))
      .then((told) => heard(told.messages, false))
      .catch((error) => console.warn("polku", error))
      .then(later);
  }

  function soon() {
    turn = 0;
    later();
  }

  function heard(pieces, forAll) {
    for (const piece of pieces) {
      if (known.has(piece.message)) continue;
      known.set(piece.message, Object.assign(piece, { forAll }));
    }
    look();
  }

  // ---- which pieces belong to this page, and when

  // * stands for anything, ? for one sign, a ! before it for pages that it is not shown on
  function fits(patterns) {
    const matches = (pattern) =>
      new RegExp("^" + pattern.replace(/[.+^${}()|[\]\\]/g, "\\$&").replace(/\*/g, ".*").replace(/\?/g, ".") + "$").test(
        location.pathname,
      );
    const no = patterns.filter((pattern) => pattern[0] == "!").map((pattern) => pattern.slice(1));
    const yes = patterns.filter((pattern) => pattern[0] != "!");
    return (!yes.length || yes.some(matches)) && !no.some(matches);
  }

  function spot(piece) {
    const name = piece.place;
    if (!name) return null;
    const own = doc.querySelector('[data-polku-place="' + CSS.escape(name) + '"]');
    if (own) return own;
    try {
      return doc.querySelector(name);
    } catch (error) {
      return null; // a name that is no selector: the page has no such place
    }
  }

  const memory = () => {
    try {
      return JSON.parse(localStorage.getItem(STORE)) || {};
    } catch (error) {
      return {}; // storage that is blocked holds nothing
    }
  };

  // Of pieces for everybody the browser itself remembers what became of them, with consent; of all others Polku does.
  function remember(piece, what) {
    if (!piece.forAll || !granted()) return;
    const all = memory();
    all[piece.message] = Object.assign(all[piece.message] || {}, what);
    try {
      localStorage.setItem(STORE, JSON.stringify(all));
    } catch (error) {
      return; // blocked or full: it holds for this page alone
    }
  }

  function may(piece) {
    if (gone.has(piece.message)) return false;
    if (!piece.forAll) return true;
    if (!granted()) return !piece.interrupts; // nothing could remember that it was closed
    const was = memory()[piece.message];
    if (!was) return true;
    if (was.c) return false;
    if (!was.t || piece.frequency == "always") return true;
    if (piece.frequency == "once") return false;
    if (piece.frequency == "session") return was.s != who().session;
    return Date.now() - was.t >= piece.frequency * 1000;
  }

  const inline = (piece) => !!piece.place;
  const busy = () => [...drawn.values()].some((one) => one.piece.interrupts);

  function look() {
    const taken = new Set();
    for (const piece of known.values()) {
      const key = piece.message;
      const here = fits(piece.pages || []) && (!inline(piece) || spot(piece));
      if (drawn.has(key)) {
        if (!here) take(key); // an app of one page has gone on to another
        else if (inline(piece)) taken.add(spot(piece));
        continue;
      }
      if (!here || !may(piece) || (seen.has(key) && !inline(piece))) continue;
      if (inline(piece)) {
        if (taken.has(spot(piece))) continue;
        taken.add(spot(piece));
      }
      if (!armed.has(key)) arm(piece);
    }
  }

  function take(key) {
    if (armed.has(key)) armed.get(key)();
    armed.delete(key);
    const one = drawn.get(key);
    drawn.delete(key);
    if (one) one.remove();
  }

  function arm(piece) {
    const { kind, value } = piece.on;
    const stops = [];
    const listen = (target, name, work) => {
      target.addEventListener(name, work, { passive: true });
      stops.push(() => target.removeEventListener(name, work));
    };
    const due = () => {
      if (piece.interrupts && (busy() || writing())) {
        const again = setTimeout(due, 1000); // one at a time, and never under the fingers of who writes
        stops.push(() => clearTimeout(again));
        return;
      }
      stops.forEach((stop) => stop());
      if (armed.delete(piece.message)) show(piece);
    };
    armed.set(piece.message, () => stops.forEach((stop) => stop()));
    if (kind == "after") {
      const wait = setTimeout(due, value * 1000);
      stops.push(() => clearTimeout(wait));
    } else if (kind == "scroll") {
      const deep = () => {
        const height = doc.documentElement.scrollHeight - innerHeight;
        if (height <= 0 || (scrollY / height) * 100 >= value) due();
      };
      listen(window, "scroll", deep);
      deep();
    } else if (kind == "exit") {
      // with a mouse: it leaves by the top; by touch: a quick way back up
      listen(doc.documentElement, "mouseleave", (event) => event.clientY <= 0 && due());
      let from = scrollY;
      let at = Date.now();
      listen(window, "scroll", () => {
        if (scrollY > from || Date.now() - at > 1000) [from, at] = [scrollY, Date.now()];
        else if (matchMedia("(pointer: coarse)").matches && from - scrollY > innerHeight) due();
      });
    } else if (kind == "click") {
      listen(doc, "click", (event) => event.target.closest && event.target.closest(value) && due());
    } else due();
  }

  function writing() {
    const active = doc.activeElement;
    return !!active && (/^(INPUT|TEXTAREA|SELECT)$/.test(active.tagName) || active.isContentEditable);
  }

  // ---- showing

  function tell(piece, what, more) {
    if (what == "shown") {
      seen.add(piece.message);
      remember(piece, { t: Date.now(), s: who().session });
    }
    const ends = what == "closed" || what == "submitted" || (what == "clicked" && /^(popup|banner)$/.test(piece.shows));
    // a quiz in its place may be taken again; one that came by itself, and a survey, have had their answer
    const done = what == "answered" && (piece.shows == "survey" || (piece.shows == "quiz" && !piece.form && !piece.place));
    if (ends || done) {
      gone.add(piece.message);
      remember(piece, { c: 1 });
    }
    if (piece.forAll && /^(shown|clicked|closed)$/.test(what)) {
      const said = { message: piece.message, content: piece.content, channel: "site" };
      if (more && more.url) said.url = more.url;
      polku.track("Message " + what[0].toUpperCase() + what.slice(1), said);
      return Promise.resolve({ ok: true, told: {} });
    }
    const page = { path: location.pathname, url: location.origin + location.pathname, title: doc.title };
    const body = Object.assign({ message: piece.message, what: what, id: random(), page: page, agent: navigator.userAgent }, more);
    return ask("/site/told", body).then((answer) =>
      answer.json().then((told) => ({ ok: answer.ok && !told.faults, told: told, faults: told.faults })),
    );
  }

  function show(piece) {
    drawn.set(piece.message, { piece: piece, remove: () => {} });
    import("./messages.js")
      .then((module) => {
        if (!drawn.has(piece.message)) return; // the page has gone on meanwhile
        const one = module.draw(piece, {
          place: spot(piece),
          host: host,
          tell: (what, more) => tell(piece, what, more),
          may: () => !piece.forAll || granted() || polku.status().mode != "consent",
          track: polku.track,
          random: random,
          help: (via) => who().id && ask("/site/help", { via: via, page: { path: location.pathname } }).then((a) => a.json()),
          gone: () => {
            drawn.delete(piece.message);
            setTimeout(look, 0);
          },
        });
        drawn.set(piece.message, { piece: piece, remove: one.remove });
      })
      .catch((error) => {
        drawn.delete(piece.message);
        console.warn("polku", error);
      });
  }

  // ---- what stands in the page's HTML by itself

  function reviews() {
    const places = [...doc.querySelectorAll("[data-polku-reviews]")].filter((element) => !element.polkuDrawn);
    if (!places.length || !words) return;
    places.forEach((element) => (element.polkuDrawn = true));
    import("./reviews.js")
      .then((module) => places.forEach((element) => module.draw(element, { host: host, language: language(), words: words })))
      .catch((error) => console.warn("polku", error));
  }

  doc.addEventListener("polku:sent", soon);
  doc.addEventListener("polku:page", () => {
    if (place != location.pathname) seen.clear();
    place = location.pathname;
    setTimeout(() => {
      reviews();
      look();
    }, 250); // an app of one page draws its content after the address has changed
  });
  doc.addEventListener("visibilitychange", () => (doc.hidden ? clearTimeout(timer) : soon()));
  everyone();
  soon();
}
