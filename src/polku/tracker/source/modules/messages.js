// Draws a piece: banner, pop-up, inline block, and the frame of quiz, calculator, survey and chat. All of it stands in a
// shadow root with a constructed style sheet, so it neither takes the page's styles nor needs anything of its policy.
// Texts come as text, and longer ones as trees of elements: no HTML is read.
const css = `
:host{all:initial;--a:var(--polku-accent,#1a5fb4);--on:var(--polku-on-accent,#fff);
--b:var(--polku-background,light-dark(#fff,#1d2126));--t:var(--polku-text,light-dark(#1c2024,#f1f3f5));
--q:var(--polku-quiet,light-dark(#5c646d,#aeb6bf));--l:var(--polku-line,light-dark(#d3d8dd,#454c54));
--e:var(--polku-error,light-dark(#b3261e,#ff9d94));--r:var(--polku-radius,12px);
font:var(--polku-font,400 16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif);color:var(--t);color-scheme:inherit}
*{box-sizing:border-box;font:inherit;color:inherit}
:host([hidden]){display:none}
.p{background:var(--b);color:var(--t);border:1px solid var(--l);border-radius:var(--r);padding:20px;position:relative;overflow-wrap:anywhere}
dialog{max-width:min(440px,calc(100vw - 32px));width:440px;max-height:calc(100dvh - 32px);overflow:auto;box-shadow:0 12px 48px #0006;margin:auto}
dialog::backdrop{background:#0008}
dialog.c{position:fixed;z-index:var(--polku-z,2147483000);inset:auto 16px 16px auto;translate:0 calc(-1*var(--polku-below,0px));margin:0;width:min(380px,calc(100vw - 32px))}
dialog.c.bottom-left{inset:auto auto 16px 16px}
dialog.c.top{inset:16px auto auto 50%;transform:translateX(-50%)}dialog.c.bottom{inset:auto auto 16px 50%;transform:translateX(-50%)}
.z{color:var(--polku-star,light-dark(#a15c00,#ffc04d));letter-spacing:.1em}.v{border-top:1px solid var(--l);padding:12px 0 0;margin:12px 0 0}.v:focus{outline:none}
blockquote{margin:0 0 12px;padding:8px 16px;border-left:3px solid var(--l)}blockquote p{margin:0}
[hidden]{display:none!important}
.g+.n{margin:8px 0 0}
dialog.above{inset:auto 16px 84px auto}
.q{position:fixed;z-index:var(--polku-z,2147483000);inset:auto 16px 16px auto;translate:0 calc(-1*var(--polku-below,0px));border-radius:999px;padding:12px 20px;box-shadow:0 4px 16px #0004}
.w{position:fixed;z-index:var(--polku-z,2147483000);inset:auto 0 0 0}.w.top{inset:0 0 auto 0}
.w .p{border-radius:0;border-width:1px 0 0;padding:12px 56px 12px 20px;display:flex;flex-wrap:wrap;gap:8px 20px;align-items:center;justify-content:center;box-shadow:0 -2px 16px #0003}
.w .p>*{margin:0}.w .d>div{display:flex;flex-wrap:wrap;gap:8px 20px;align-items:center;justify-content:center}.w .d p{margin:0}
h2,h3{font-weight:650;line-height:1.25;margin:0 36px 8px 0;font-size:1.25em}h2:focus,h3:focus,.d:focus{outline:none}
.w h2{font-size:1em;margin:0}
p,ul,ol{margin:0 0 12px}ul,ol{padding-left:1.3em}strong,th{font-weight:650}em{font-style:italic}s{text-decoration:line-through}
a{color:var(--polku-link,light-dark(color-mix(in srgb,var(--a),#000 15%),color-mix(in srgb,var(--a),#fff 55%)))}
img{max-width:100%;height:auto;border-radius:calc(var(--r)/2);display:block;margin:0 0 12px}
button,.b{cursor:pointer;border:1px solid var(--l);background:transparent;border-radius:calc(var(--r)*.6);padding:9px 16px;min-height:44px;display:inline-flex;align-items:center;justify-content:center;text-decoration:none;color:var(--t)}
.m{background:var(--a);color:var(--on);border-color:var(--a);font-weight:600}
.x{position:absolute;top:8px;right:8px;width:44px;padding:0;border-color:transparent;font-size:22px;line-height:1}
.w .x{top:4px}
:focus-visible{outline:3px solid var(--a);outline-offset:2px}
@supports (color:light-dark(red,blue)){:focus-visible{outline-color:light-dark(var(--a),#9cc4ff)}}
label,legend,.k{display:block;font-weight:600;margin:0 0 4px}legend{padding:0;font-size:1.05em;margin-bottom:8px}
fieldset{border:0;margin:0 0 12px;padding:0;min-width:0}
input:not([type=radio],[type=checkbox],[type=range]),textarea,select{width:100%;min-height:44px;border:1px solid var(--q);border-radius:calc(var(--r)*.5);padding:8px 12px;background:var(--b);color:var(--t);margin:0}
.f{margin:0 0 12px}.n{color:var(--q);font-size:.9em}.e{color:var(--e);font-size:.9em;margin:4px 0 0}
.o{display:flex;gap:10px;align-items:center;min-height:44px;padding:4px 12px;border:1px solid var(--l);border-radius:calc(var(--r)*.5);margin:0 0 8px;font-weight:400;cursor:pointer}
.o:has(:checked){border-color:var(--a);box-shadow:inset 0 0 0 1px var(--a)}
input[type=radio],input[type=checkbox]{width:20px;height:20px;flex:none;accent-color:var(--a);margin:0}
.s{display:grid;grid-template-columns:repeat(auto-fit,minmax(36px,1fr));gap:4px;margin:0 0 4px}
.s .o{padding:0;justify-content:center;margin:0;position:relative}.s input{position:absolute;opacity:0;inset:0;width:100%;height:100%;cursor:pointer}
.s .o:has(:focus-visible){outline:3px solid var(--a);outline-offset:2px}.s .o:has(:checked){background:var(--a);color:var(--on)}
.g{display:flex;gap:8px;flex-wrap:wrap;align-items:center}.j{justify-content:space-between}
.t{position:absolute;left:-9999px;width:1px;height:1px;overflow:hidden}
dl{display:grid;grid-template-columns:1fr auto;gap:6px 16px;margin:12px 0 0;padding:12px 0 0;border-top:1px solid var(--l)}dt,dd{margin:0}dd{font-weight:650;text-align:right}
table{border-collapse:collapse;width:100%}td,th{border-bottom:1px solid var(--l);padding:4px 8px;text-align:left}
@media (prefers-reduced-motion:no-preference){dialog[open],.w .p{animation:i .18s ease-out}@keyframes i{from{opacity:0}}}
@media (forced-colors:active){.o:has(:checked),.m{outline:2px solid Highlight}}
`;
let sheet;

/** An element: `make("p", {className: "n"}, "text", other)`. Names that begin with "aria-" or "data-" are attributes. */
export function make(tag, given, ...inside) {
  const element = document.createElement(tag);
  for (const name in given || {}) {
    if (given[name] == null) continue;
    if (name in element && !/^(list|form)$/.test(name)) element[name] = given[name];
    else element.setAttribute(name, given[name]);
  }
  element.append(...inside.flat().filter((one) => one != null && one !== ""));
  return element;
}

/** Elements of a tree: `[["p", {}, "text", ["strong", {}, "more"]]]`. */
export function grow(tree) {
  return (tree || []).map((node) => {
    if (typeof node == "string") return node;
    const [tag, attributes, ...inside] = node;
    const element = document.createElement(tag);
    for (const name in attributes) element.setAttribute(name, attributes[name]);
    element.append(...grow(inside));
    return element;
  });
}

export function shadow(host) {
  const root = host.attachShadow({ mode: "open" });
  if (!sheet) {
    sheet = new CSSStyleSheet();
    sheet.replaceSync(css);
  }
  root.adoptedStyleSheets = [sheet];
  return root;
}

export const button = (words, main, work) => make("button", { type: "button", className: main ? "m" : "", onclick: work }, words);
export const link = (to) => make("a", { className: "b m", href: to.to }, to.text);
export const picture = (image) => image && make("img", { src: image.src, alt: image.alt || "", width: image.width, height: image.height });

let number = 0;
export const name = () => "polku" + ++number;

/** A field with its label and a place for what is wrong with it. */
export function field(label, input, hint) {
  const id = name();
  input.id = id;
  const fault = make("p", { className: "e", id: id + "e", role: "alert" });
  input.setAttribute("aria-describedby", id + "e");
  const box = make("div", { className: "f" }, make("label", { htmlFor: id }, label), input, hint ? make("p", { className: "n" }, hint) : "", fault);
  return {
    box,
    input,
    say: (text) => {
      fault.textContent = text || "";
      if (text) input.setAttribute("aria-invalid", "true");
      else input.removeAttribute("aria-invalid");
    },
  };
}

/** The form of a piece; `sent` is called with what stands in its place when it has been taken. */
export function form(piece, tools, sent) {
  const { words } = piece;
  const wish = piece.form;
  const fields = wish.fields.map((one) => {
    const big = one.kind == "textarea";
    const input = make(big ? "textarea" : "input", { name: one.name, required: one.needed, maxLength: 2000 });
    if (big) input.rows = 4;
    else input.type = one.kind;
    input.setAttribute("autocomplete", one.complete);
    return Object.assign(field(one.label, input), { one });
  });
  // what no person sees and robots fill in
  const trap = make("input", { name: "website", tabIndex: -1, autocomplete: "off" });
  const agreed = wish.checkbox && make("input", { type: "checkbox" });
  const words_of = wish.consent_text && grow(wish.consent_text);
  const agree = agreed
    ? make("label", { className: "o" }, agreed, make("span", { className: "n" }, ...words_of))
    : words_of && make("div", { className: "n" }, ...words_of);
  const fault = make("p", { className: "e", role: "alert" });
  const send = make("button", { type: "submit", className: "m" }, wish.button);
  const made = make(
    "form",
    { noValidate: true },
    ...fields.map((each) => each.box),
    make("div", { className: "t", "aria-hidden": "true" }, make("label", {}, "Website", trap)),
    agree || "",
    fault,
    send,
  );
  function wrong({ one, input }) {
    if (input.validity.valueMissing || (one.needed && !input.value.trim())) return words.needed;
    if (input.validity.typeMismatch && one.kind == "email") return words.email;
    return "";
  }
  function mark(faults) {
    let first = null;
    fields.forEach((each) => {
      each.say(faults[each.one.name]);
      if (faults[each.one.name] && !first) first = each.input;
    });
    fault.textContent = faults.agreed || faults.form || faults.website || "";
    if (faults.agreed && !first) first = agreed;
    if (first) first.focus();
    return Object.keys(faults).length > 0;
  }
  made.addEventListener("submit", (event) => {
    event.preventDefault();
    const faults = {};
    fields.forEach((each) => wrong(each) && (faults[each.one.name] = wrong(each)));
    if (agreed && !agreed.checked) faults.agreed = words.agree;
    if (mark(faults) || send.disabled) return;
    const values = { website: trap.value };
    fields.forEach((each) => (values[each.one.name] = each.input.value.trim()));
    send.disabled = true;
    send.textContent = words.sending;
    tools
      .tell("submitted", { fields: values, agreed: !!agreed && agreed.checked })
      .then((answer) => {
        if (answer.ok) return sent(grow(wish.thanks));
        if (!answer.faults) throw new Error(answer.told.message);
        mark(answer.faults);
      })
      .catch((error) => {
        console.warn("polku", error);
        fault.textContent = words.failed;
      })
      .then(() => {
        send.disabled = false;
        send.textContent = wish.button;
      });
  });
  return made;
}

export default function () {}

const INNER = { quiz: "./quiz.js", calculator: "./calculator.js", survey: "./survey.js" };

/** Put a piece on the page. Gives `{remove}`: take it away without a word. */
export function draw(piece, tools) {
  if (piece.shows == "chat") return later(import("./chat.js"), piece, tools);
  const host = make("div", { "data-polku-piece": piece.message, lang: piece.language });
  const root = shadow(host);
  const title = piece.title ? make("h2", { id: name(), tabIndex: -1 }, piece.title) : null;
  const body = make("div", { className: "d", tabIndex: -1 });
  const inside = make("div", {}, picture(piece.image), ...grow(piece.body));
  body.append(inside);
  let away = () => host.remove();
  let ended = false;
  let left = () => {}; // what a survey says when it is closed unanswered

  function close(told) {
    if (ended) return;
    ended = true;
    if (told) tools.tell("closed").catch((error) => console.warn("polku", error));
    left();
    away();
    tools.gone();
  }

  // what has been sent stands in place of the form, and is read out
  function thanks(nodes) {
    ended = true; // closing it now is no refusal
    inside.replaceChildren(...nodes);
    body.setAttribute("role", "status");
    body.focus();
    if (title) title.hidden = true;
    cross.onclick = () => {
      away();
      tools.gone();
    };
  }

  const own = { ...tools, thanks, body: inside, left: (work) => (left = work) };
  if (INNER[piece.shows]) {
    import(INNER[piece.shows]).then((module) => module.draw(piece, own)).catch((error) => console.warn("polku", error));
  } else {
    if (piece.form) inside.append(form(piece, tools, thanks));
    if (piece.button) inside.append(make("p", { className: "g" }, link(piece.button)));
  }

  const cross = make("button", { type: "button", className: "x", "aria-label": piece.words.close, onclick: () => close(true) }, "\u00d7");
  root.addEventListener("click", (event) => {
    const anchor = event.target.closest && event.target.closest("a[href]");
    if (!anchor) return;
    tools.tell("clicked", { url: anchor.href }).catch((error) => console.warn("polku", error));
    if (/^(popup|banner)$/.test(piece.shows) && !piece.form) {
      ended = true;
      away();
      tools.gone();
    }
  });

  const where = piece.place ? "inline" : piece.shows == "banner" ? "banner" : "popup";
  const shown = () => tools.tell("shown").catch((error) => console.warn("polku", error));
  if (where == "inline") inlay();
  else if (where == "banner") banner();
  else popup();
  return { remove: () => away() };

  function inlay() {
    const box = make("section", { className: "p" }, title || "", body);
    if (title) box.setAttribute("aria-labelledby", title.id);
    if (piece.close) box.append(cross);
    root.append(box);
    settle(tools.place, host, piece.height, shown, tools.now);
  }

  function banner() {
    const box = make("div", { className: "p" }, title || "", body, piece.close ? cross : "");
    const wrap = make("section", { className: "w " + (piece.position == "top" ? "top" : ""), "aria-live": "polite" });
    wrap.setAttribute("aria-label", piece.title || piece.words.close);
    root.append(wrap);
    document.body.append(host);
    // the live region stands before its words, so that they are read out
    setTimeout(() => {
      wrap.append(box);
      if (piece.position != "top") below(wrap.offsetHeight); // what stands in the corner moves up
      shown();
    }, 50);
    away = () => {
      below(0);
      host.remove();
    };
  }

  function popup() {
    const modal = !piece.position || piece.position == "center";
    const box = make("dialog", { className: modal ? "p" : "p c " + piece.position });
    if (title) box.setAttribute("aria-labelledby", title.id);
    else box.setAttribute("aria-label", piece.words.close);
    box.append(title || "", body);
    if (piece.close) box.append(cross);
    root.append(box);
    document.body.append(host);
    const before = document.activeElement;
    away = () => {
      const inside = host.contains(document.activeElement);
      if (box.open) box.close();
      host.remove();
      if (inside && before && before.isConnected) before.focus(); // back to where the visitor was
    };
    box.addEventListener("cancel", (event) => {
      event.preventDefault();
      if (piece.close) cross.click();
    });
    if (modal) {
      box.showModal();
      (title || body).focus();
      box.addEventListener("click", (event) => {
        if (event.target == box && piece.close && outside(box, event)) cross.click();
      });
    } else {
      box.show();
      if (before && before != document.body && before.focus) before.focus(); // it stands beside: nobody is taken away from the page
      else if (root.activeElement) root.activeElement.blur();
      box.addEventListener("keydown", (event) => event.key == "Escape" && piece.close && cross.click());
    }
    shown();
  }
}

const below = (height) => document.documentElement.style.setProperty("--polku-below", height + "px");
const outside = (box, event) => {
  const edge = box.getBoundingClientRect();
  return event.clientX < edge.left || event.clientX > edge.right || event.clientY < edge.top || event.clientY > edge.bottom;
};

function later(loading, piece, tools) {
  let made = null;
  let removed = false;
  loading
    .then((module) => {
      if (!removed) made = module.draw(piece, tools);
    })
    .catch((error) => console.warn("polku", error));
  return {
    remove: () => {
      removed = true;
      if (made) made.remove();
    },
  };
}

// Put a block into its place without moving what the visitor looks at: the place has room for it, or lies below the window.
export function settle(place, host, height, done, now) {
  if (height) host.style.minHeight = height + "px";
  host.style.display = "block";
  Object.assign(host.style, { position: "absolute", visibility: "hidden", width: place.clientWidth + "px" });
  place.append(host);
  let put = false;
  const look = () => {
    if (put || !host.isConnected) return;
    const need = Math.max(host.offsetHeight, height || 0);
    const room = place.getBoundingClientRect();
    if (!now && room.height < need - 1 && room.top < innerHeight) return;
    put = true;
    removeEventListener("scroll", look);
    removeEventListener("resize", look);
    Object.assign(host.style, { position: "", visibility: "", width: "" });
    seen(host, done);
  };
  addEventListener("scroll", look, { passive: true });
  addEventListener("resize", look);
  requestAnimationFrame(() => setTimeout(look, 0));
}

// A block counts as shown when half of it has come into the window.
function seen(host, done) {
  const watch = new IntersectionObserver(
    (entries) => {
      if (!entries.some((entry) => entry.isIntersecting)) return;
      watch.disconnect();
      done();
    },
    { threshold: 0.5 },
  );
  watch.observe(host);
}
