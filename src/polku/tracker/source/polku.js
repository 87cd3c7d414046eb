// polku.js: tells Polku what happens on a page. Consent first: before it is given nothing is stored and no id is made.
//
//   <script async src="https://polku.example.com/polku.js" data-key="pk_w_..."></script>
//
// It speaks Segment's batch form (POST /v1/b) and never throws into the page. Comments and white space are taken out of
// what is served (scripts/write_tracker.py). Every option is described in docs/tracker.md.
(function (w, d, nav) {
  "use strict";
  const before = w.polku;
  if (before && before.track) return; // the line stands in the page twice
  const tag = d.currentScript || d.querySelector("script[data-key][src*='polku']");
  if (!tag) return;
  const option = tag.dataset;
  const host = (option.host || new URL(tag.src, location.href).origin).replace(/\/$/, "");
  const mode = option.mode || "consent"; // consent: wait for it; cookieless: no id; page: an id as long as the page
  const off = (option.off || "").split(/[ ,]+/);
  const on = (part) => !off.includes(part);
  const signal = nav.globalPrivacyControl || nav.doNotTrack == 1 || w.doNotTrack == 1;
  const searches = (option.search || "q s search query haku hakusana").split(/[ ,]+/);
  const slow = +option.slow || 4000; // milliseconds
  const recommends = option.ref || "ref"; // the parameter of links by which customers recommend the shop
  const STORE = "polku";
  const QUEUE = "polku.queue";
  const SITE = "polku.site"; // what the module site keeps
  const SITTING = 18e5; // a session ends after 30 minutes of silence

  const safe = (work) =>
    function () {
      try {
        return work.apply(null, arguments);
      } catch (error) {
        console.warn("polku", error);
      }
    };
  const random = () =>
    Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => (byte + 256).toString(16).slice(1)).join("");
  const now = () => Date.now();
  const listen = (target, name, work) => target.addEventListener(name, safe(work), true);

  // ---- what is stored: nothing without consent; where the browser refuses, it is kept in memory alone

  let choice = {}; // purposes and yes or no
  let evidence = {}; // where the choice was made, and which text was shown
  let granted = false;
  let me = {}; // a: anonymous id, u: user id, s: session id, t: time of the last event, c: choice, e: evidence
  const pageId = mode == "page" ? random() : undefined;

  const read = (name) => {
    try {
      return JSON.parse(localStorage.getItem(name));
    } catch (error) {
      return null; // storage that is blocked holds nothing
    }
  };
  const write = (name, value) => {
    try {
      if (value) localStorage.setItem(name, JSON.stringify(value));
      else localStorage.removeItem(name);
    } catch (error) {
      return false; // blocked or full: memory has it
    }
    return true;
  };

  function stamp(message) {
    if (Object.keys(choice).length)
      message.context.consent = Object.assign({ categoryPreferences: choice }, evidence);
    if (!granted) {
      if (pageId) message.anonymousId = pageId;
      return message;
    }
    me = read(STORE) || me; // another tab may have signed in or begun a session
    if (!me.s || now() - me.t > SITTING) me.s = random();
    me.a = me.a || random();
    me.t = now();
    me.c = choice;
    me.e = evidence;
    write(STORE, me);
    message.anonymousId = me.a;
    if (me.u) message.userId = me.u;
    message.context.sessionId = me.s;
    return message;
  }

  // ---- from a call to the queue

  let held = []; // waits for consent, in memory
  let queue = [];
  let view = {}; // the page view that is open: its context, time seen, depth
  let problem = "";
  const used = {}; // modules that were asked for
  const say = (name) => d.dispatchEvent(new Event("polku:" + name));
  let dropped = 0; // events that waited too long in too large a crowd

  function tell(type, fields) {
    if (signal) return;
    const message = Object.assign(
      {
        type: type,
        messageId: random(),
        timestamp: new Date().toISOString(),
        context: Object.assign(
          { library: { name: "polku.js", version: "1" }, locale: nav.language, userAgent: nav.userAgent },
          view.context || address(),
        ),
      },
      fields,
    );
    if (granted || (mode != "consent" && /track|page/.test(type))) put(stamp(message));
    else if (choice.analytics === false) return;
    else if (held.push(message) > 100) drop(held);
  }

  function drop(crowd) {
    crowd.shift();
    dropped++;
  }

  function put(message) {
    queue.push(message);
    if (queue.length > 500) drop(queue);
    if (!timer) later(message.type == "page" ? 50 : 700);
  }

  function forget() {
    [STORE, QUEUE, SITE].forEach((name) => write(name));
  }

  function signIn(id) {
    if (granted) me = read(STORE) || me;
    me.u = String(id);
    if (granted) write(STORE, me);
  }

  const api = {
    track: (event, properties) => tell("track", { event: event, properties: properties || {} }),
    page: (name, properties) => open(name, properties),
    identify: (id, traits) => {
      if (id && typeof id == "object") [id, traits] = [null, id];
      if (id != null) {
        if (me.u && me.u != id) api.reset(); // somebody else on the same device is another visitor
        signIn(id);
      }
      tell("identify", { userId: me.u, traits: traits || {} });
    },
    group: (id, traits) => tell("group", { groupId: String(id), traits: traits || {} }),
    alias: (id, previous) => {
      tell("alias", { previousId: String(previous || me.u || me.a || ""), userId: String(id) });
      signIn(id);
    },
    paymentFailed: (reason, properties) =>
      api.track("Payment Failed", Object.assign({ reason: String(reason) }, properties)),
    reset: () => {
      me = {};
      if (granted) write(STORE, { c: choice, e: evidence });
    },
    consent: (given, shown) => {
      const was = granted;
      const old = JSON.stringify(choice);
      choice = Object.assign({}, choice, given);
      evidence = Object.assign({}, evidence, shown);
      const changed = old != JSON.stringify(choice);
      const told = () =>
        changed && tell("track", { event: "Consent Updated", properties: Object.assign({}, evidence, choice) });
      if (choice.analytics && !signal) {
        granted = true;
        if (!was) {
          me = Object.assign({}, read(STORE), me);
          write(STORE, me);
          queue.push.apply(queue, held.map(stamp));
          recall();
        }
        told();
        later(50);
      } else {
        if (was) {
          told(); // the last thing that is said under the old id: that it may not be used any more
          granted = false;
        }
        me = {};
        forget();
      }
      if (choice.analytics != null) held = [];
    },
    use: (name) =>
      used[name] ||
      (used[name] = import(host + "/polku/" + name + ".js").then(
        safe((module) => module.default(api, option, () => (signal ? {} : { id: granted ? me.a : pageId, session: me.s }))),
        (error) => console.warn("polku", error),
      )),
    flush: () => flush(),
    status: () => ({ mode, signal: !!signal, granted, choice, held: held.length, queued: queue.length, dropped, problem }),
    push: (call) => api[call[0]].apply(null, [].slice.call(call, 1)),
  };

  // ---- from the queue to the server

  const door = host + "/v1/b";
  let timer = 0;
  let flying = 0;
  let failures = 0;

  function later(pause) {
    clearTimeout(timer);
    timer = setTimeout(safe(flush), pause);
  }

  const parcel = (batch) => JSON.stringify({ batch: batch, writeKey: option.key, sentAt: new Date().toISOString() });

  function flush() {
    clearTimeout(timer);
    timer = 0;
    if (flying || !queue.length) return;
    const batch = queue.splice(0, 20);
    const again = (text, wait) => {
      problem = text;
      queue = batch.concat(queue);
      failures++;
      // half of the pause by chance, so that browsers do not all come back at once
      later(Math.max(wait * 1000 || 0, Math.min(3e5, 500 * 2 ** failures) * (0.5 + Math.random() / 2)));
    };
    flying = 1;
    const body = parcel(batch);
    fetch(door, { method: "POST", body: body, keepalive: body.length < 6e4, credentials: "omit" })
      .then(
        (answer) => {
          flying = 0;
          if (answer.status == 429 || answer.status > 499) {
            again("" + answer.status, +answer.headers.get("retry-after"));
            return;
          }
          failures = 0;
          problem = "";
          if (answer.headers.get("polku-site")) api.use("site");
          say("sent");
          if (!answer.ok) {
            problem = "" + answer.status; // will not get better by repeating: the key, or the message itself
            console.warn("polku: the server refused the events (" + problem + ")");
          }
          if (queue.length) later(0);
        },
        () => {
          flying = 0;
          again("offline");
        },
      );
  }

  // The page is being left: what waits goes by beacon; what cannot go is stored for the next page, with consent.
  function leave() {
    clearTimeout(timer);
    timer = 0;
    while (queue.length && !failures && nav.onLine && nav.sendBeacon(door, parcel(queue.slice(0, 20))))
      queue.splice(0, 20);
    if (granted && queue.length && write(QUEUE, (read(QUEUE) || []).concat(queue).slice(-500))) queue = [];
  }

  function recall() {
    const kept = granted && read(QUEUE);
    if (kept) {
      write(QUEUE);
      queue = kept.concat(queue);
    }
    if (queue.length) later(failures ? 2e3 : 0);
  }

  // ---- page views: where, from where, how long, how deep

  const CLICKS = { gclid: "google", gbraid: "google", wbraid: "google", fbclid: "facebook", msclkid: "bing", ttclid: "tiktok" };

  // The query string holds anything, e-mail addresses too: only campaigns, searches and recommendations are kept of it.
  function address() {
    const url = new URL(location.href);
    const campaign = {};
    const kept = new URLSearchParams();
    const told = {};
    url.searchParams.forEach((value, name) => {
      if (name == recommends && /^[a-z0-9]{9}$/i.test(value)) told.referral = value;
      else if (/^utm_/.test(name)) campaign[name.slice(4).replace("campaign", "name")] = value;
      else if (CLICKS[name]) campaign.source = campaign.source || CLICKS[name];
      else if (!searches.includes(name)) return;
      else if (!value) return;
      if (!CLICKS[name] && value != told.referral) kept.append(name, value);
    });
    const search = "" + kept && "?" + kept;
    const hash = option.hash != null ? url.hash : "";
    const page = { path: url.pathname + hash, url: url.origin + url.pathname + search + hash, search: search, title: d.title };
    const from = view.context ? view.context.page.url : d.referrer;
    if (from) page.referrer = from.split("?")[0];
    if (Object.keys(campaign).length) told.campaign = campaign;
    told.page = page;
    return told;
  }

  const height = () => Math.max(1, d.documentElement.scrollHeight);
  const place = () => location.pathname + location.search + (option.hash != null ? location.hash : "");

  function deep() {
    if (place() != view.place) return; // the next page of an app of one page is drawn already
    view.deep = Math.max(view.deep, w.scrollY + w.innerHeight);
    view.height = height();
  }

  function open(name, properties) {
    close();
    view = { context: address(), place: place(), seen: 0, since: d.hidden ? 0 : now(), deep: 0, height: 1, faults: {}, first: !view.context };
    tell("page", { name: name, properties: properties || {} });
    say("page");
    settled(look);
  }

  // Said when a page is left; a page that is looked at again says the rest later, so that the seconds add up.
  function close() {
    if (!view.context) return;
    if (view.since) view.seen += now() - view.since;
    view.since = d.hidden ? 0 : now();
    const seconds = Math.round(view.seen / 1000);
    if (view.told && !seconds) return;
    view.seen -= seconds * 1000;
    view.told = true;
    const said = { seconds: seconds };
    if (on("scroll")) {
      deep();
      said.scroll = Math.min(100, Math.floor((view.deep / view.height) * 4 + 0.02) * 25); // a pixel of rounding is the end
    }
    if (view.first) Object.assign(said, speed);
    tell("track", { event: "Page Left", properties: said });
  }

  const settled = (work) => {
    if (d.readyState == "loading") listen(d, "DOMContentLoaded", work);
    else setTimeout(safe(work), 200); // an app of one page draws its content after the address has changed
  };

  function look() {
    if (on("scroll")) deep();
    if (d.querySelector("[data-polku-place],[data-polku-reviews]")) api.use("site");
    d.querySelectorAll("[data-polku-view]").forEach((element) => {
      if (element.polkuSeen == view) return;
      element.polkuSeen = view;
      api.track(element.dataset.polkuView, marked(element));
    });
    const asked = on("search") && searches.map((name) => new URLSearchParams(location.search).get(name)).find(Boolean);
    const field = d.querySelector("[data-polku-results]");
    if (asked) {
      const found = field && /\d[\d\s]*/.exec(field.dataset.polkuResults || field.textContent);
      const said = { query: asked.trim().slice(0, 100) };
      if (found) said.results = +found[0].replace(/\s/g, "");
      api.track(option.searchEvent || "Products Searched", said);
    }
  }

  function moved() {
    if (place() != view.place) open();
  }

  // ---- what is marked in the page's HTML

  // data-polku-prop-order-id="7" is the property order_id; numbers become numbers, but in ids and codes
  function marked(element) {
    const found = {};
    for (const name in element.dataset) {
      if (!/^polkuProp./.test(name)) continue;
      const key = name.slice(9).replace(/[A-Z]/g, (letter, at) => (at ? "_" : "") + letter.toLowerCase());
      const text = element.dataset[name];
      found[key] = /^-?(0|[1-9]\d*)(\.\d+)?$/.test(text) && !/(^|_)(id|sku|code)$/.test(key) ? +text : text;
    }
    return found;
  }

  function touched(event, form) {
    const element = event.target.closest && event.target.closest("[data-polku]");
    if (!element || (element.tagName == "FORM") != form) return;
    const said = marked(element);
    const name = element.getAttribute("id") || element.getAttribute("name");
    if (form && name) said.form = said.form || name;
    api.track(element.dataset.polku || (form ? "Form Submitted" : "Clicked"), said);
  }

  // ---- what goes wrong

  const speed = {};
  const mask = (text) => String(text).replace(/\S+@\S+/g, "@").replace(/\d{5,}/g, "#").slice(0, 200);

  function failed(kind, message, file, line, column) {
    message = mask(message);
    const said = { kind: kind, message: message };
    if (file) said.file = file.split(/[?#]/)[0].slice(0, 200);
    const fault = message + said.file;
    if (!view.context || view.faults[fault] || Object.keys(view.faults).length > 4 || /^ResizeObserver/.test(message))
      return;
    view.faults[fault] = 1;
    if (line) said.line = line;
    if (column) said.column = column;
    api.track("Page Failed", said);
  }

  function measured() {
    const entry = performance.getEntriesByType("navigation")[0];
    if (!entry || !entry.loadEventEnd) return;
    const began = entry.activationStart || 0; // a page that was prepared in advance began when it was shown
    speed.load_ms = Math.round(entry.loadEventEnd - began);
    speed.ttfb_ms = Math.max(0, Math.round(entry.responseStart - began));
    if (Math.max(speed.load_ms, speed.lcp_ms || 0) > slow) api.track("Page Slow", Object.assign({}, speed));
  }

  function begin() {
    const kept = signal ? null : read(STORE);
    if (kept && kept.c) {
      me = kept;
      choice = kept.c;
      evidence = kept.e || {};
      granted = !!choice.analytics;
      recall();
    }
    if (signal) forget();
    if (option.consent != null) api.consent({ analytics: option.consent != "denied" }, { source: "tag" });
    open();
    [].forEach.call(before || [], safe(api.push));

    if (on("spa"))
      ["pushState", "replaceState"].forEach((name) => {
        const original = history[name];
        history[name] = function () {
          const result = original.apply(this, arguments);
          setTimeout(safe(moved), 0); // the page's own work goes first, and sets the title
          return result;
        };
      });
    if (on("spa")) listen(w, "popstate", () => setTimeout(safe(moved), 0));
    if (on("spa")) listen(w, "hashchange", moved);
    if (on("clicks")) listen(d, "click", (event) => touched(event, false));
    if (on("forms")) listen(d, "submit", (event) => touched(event, true));
    if (on("scroll")) listen(w, "scroll", deep);
    if (on("errors")) {
      listen(w, "error", (event) => {
        const lost = event.target;
        if (lost && lost != w) {
          if (/SCRIPT|LINK/.test(lost.tagName)) failed("resource", "not loaded", lost.src || lost.href);
        } else if (event.filename) failed("script", event.message, event.filename, event.lineno, event.colno);
      });
      listen(w, "unhandledrejection", (event) => failed("promise", (event.reason && event.reason.message) || event.reason));
    }
    if (on("videos"))
      ["play", "ended"].forEach((name) =>
        listen(d, name, (event) => {
          const media = event.target;
          const source = (media.currentSrc || "").split(/[?#]/)[0];
          if (!source || (media.autoplay && media.muted)) return; // nobody started a moving background
          if (name == "play" && media.polkuPlayed == source) return;
          media.polkuPlayed = source;
          api.track(
            name == "play" ? "Video Started" : "Video Finished",
            Object.assign(
              { title: media.title || media.getAttribute("aria-label") || source.split("/").pop(), url: source, duration: Math.round(media.duration) || 0 },
              marked(media),
            ),
          );
        }),
      );
    if (on("speed") && w.PerformanceObserver) {
      const observer = new PerformanceObserver((list) => {
        const entries = list.getEntries();
        speed.lcp_ms = Math.round(entries[entries.length - 1].startTime);
      });
      if ((PerformanceObserver.supportedEntryTypes || []).includes("largest-contentful-paint"))
        observer.observe({ type: "largest-contentful-paint", buffered: true });
      const timed = () => setTimeout(safe(measured), 0); // the load event itself must end first
      if (d.readyState == "complete") timed();
      else listen(w, "load", timed);
    }
    listen(d, "visibilitychange", () => {
      if (d.hidden) {
        close();
        leave();
      } else {
        view.since = now();
        recall();
      }
    });
    listen(w, "pagehide", () => {
      close();
      leave();
    });
    listen(w, "pageshow", (event) => event.persisted && open());
    listen(w, "online", () => {
      failures = 0;
      recall();
    });
    listen(w, "storage", (event) => {
      if (event.key == STORE && !event.newValue && granted) {
        granted = false; // withdrawn in another tab
        choice = { analytics: false };
        me = {};
      }
    });
    (option.modules || "").split(/[ ,]+/).filter(Boolean).forEach(safe(api.use));
  }

  for (const name in api) if (name != "status") api[name] = safe(api[name]);
  w.polku = api;
  if (d.prerendering) listen(d, "prerenderingchange", begin);
  else safe(begin)();
})(window, document, navigator);
