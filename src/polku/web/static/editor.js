// The editor of a rule, or of a piece of content: after each change the form and its source go to the server together, and what comes back is
// taken in part by part. Without this script the same buttons send the same form.
import { morph } from "./morph.js";

const TYPING = 350; // milliseconds after a key before the change is sent
const COUNTING = 500; // and after what came back before the past is counted

const PARTS = ["state", "form", "source", "faults"];

export function editor() {
  const form = document.querySelector("form[data-editor]");
  if (!form) return;
  const told = document.getElementById("told");
  const counts = Boolean(form.querySelector("[data-count]")); // else what is beside comes with the answer itself
  let timer = 0;
  let checking = null;
  let counting = null;
  let unsaved = false;
  let acting = false;
  let turn = 0;
  const wishes = [];

  async function ask(what, signal) {
    const body = new URLSearchParams(new FormData(form));
    body.set("do", what);
    body.set("turn", String(++turn)); // the server may come to a later one first
    const response = await fetch(form.action, { method: "POST", body, signal, credentials: "same-origin" });
    if (!response.ok) throw new Error(String(response.status));
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    for (const each of page.querySelectorAll("[autofocus]")) each.removeAttribute("autofocus"); // for those without a script
    return page;
  }

  function take(page, names) {
    for (const name of names) {
      const here = form.querySelector(`[data-take="${name}"]`);
      const there = page.querySelector(`[data-take="${name}"]`);
      if (here && there) morph(here, there);
    }
  }

  function waiting(yes) {
    form.querySelector('[data-take="count"]')?.classList.toggle("waits", yes);
  }

  // One at a time: what a button asks is never given up for what is typed after it.
  async function check(what = "check") {
    clearTimeout(timer);
    counting?.abort();
    if (acting) {
      waiting(true);
      wishes.push(what);
      return;
    }
    checking?.abort();
    const mine = (checking = new AbortController());
    acting = what !== "check";
    waiting(true);
    try {
      const page = await ask(what, mine.signal);
      if (mine !== checking) return;
      take(page, counts ? PARTS : [...PARTS, "count"]);
      checking = null;
      if (what !== "check") focus(page);
      if (counts) timer = setTimeout(count, COUNTING);
      else waiting(false);
    } catch (error) {
      if (error.name === "AbortError") return; // a newer change is on its way
      told.textContent = form.dataset.failed;
      waiting(false);
    } finally {
      if (what !== "check") {
        acting = false;
        const next = wishes.find((wish) => wish !== "check") ?? wishes[0];
        if (next) wishes.splice(wishes.indexOf(next), 1);
        if (next) check(next);
      }
    }
  }

  async function count() {
    counting?.abort();
    const mine = (counting = new AbortController());
    waiting(true);
    try {
      const page = await ask("count", mine.signal);
      if (mine === counting) {
        take(page, ["count"]);
        waiting(false);
      }
    } catch (error) {
      if (error.name === "AbortError") return;
      told.textContent = form.dataset.failed;
      waiting(false);
    }
  }

  // Where the focus goes after a step was added, moved or removed: the moved step's own button, the new step's field.
  function focus(page) {
    const wish = page.querySelector("[data-focus]")?.dataset.focus;
    if (!wish) return;
    const [kind, ...rest] = wish.split(":");
    let found;
    const step = `[data-step="${rest.join(":")}"]`;
    if (kind === "step") found = form.querySelector(`${step} :is(select, input:not([type=hidden]))`) ?? form.querySelector(`${step} button:not([disabled])`);
    else if (kind === "f") found = form.querySelector(`[name="${wish}"]`);
    else found = form.querySelector(`button[value="${wish}"]`);
    if (found?.disabled) found = found.parentElement.querySelector("button:not([disabled])");
    found?.focus();
    told.textContent = form.querySelector(`${step} h3`)?.textContent.trim() ?? "";
  }

  form.addEventListener("input", (event) => {
    unsaved = true;
    if (event.target.matches("[data-count]")) return;
    clearTimeout(timer);
    counting?.abort();
    if (!acting) {
      checking?.abort(); // what comes back of before would overwrite what is written now
      checking = null;
    }
    timer = setTimeout(() => check(), event.target.matches("select, [type=checkbox]") ? 0 : TYPING);
  });
  form.addEventListener("change", (event) => {
    if (event.target.matches("[data-count]")) count();
  });
  form.addEventListener("submit", (event) => {
    const what = event.submitter?.value ?? "check";
    if (what === "save" || what === "delete") {
      unsaved = false;
      return;
    }
    event.preventDefault();
    unsaved = unsaved || (what !== "check" && what !== "count");
    if (what === "count") count();
    else check(what);
  });
  form.addEventListener("keydown", (event) => {
    if (event.key === "s" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      form.querySelector('button[value="save"]').click();
    } else if (event.key === "Enter" && event.target.matches("input:not([type=checkbox])")) {
      event.preventDefault(); // Enter takes in what was written; the button saves
      check();
    } else if (event.key === "Enter" && event.target.id === "source" && !event.isComposing) {
      indent(event);
    }
  });

  // A new line begins where the one above begins.
  function indent(event) {
    const area = event.target;
    const line = area.value.slice(0, area.selectionStart).split("\n").pop();
    const lead = line.match(/^ */)[0] + (/:\s*$/.test(line) ? "  " : "");
    if (!lead) return;
    event.preventDefault();
    area.setRangeText(`\n${lead}`, area.selectionStart, area.selectionEnd, "end");
    area.dispatchEvent(new InputEvent("input", { bubbles: true }));
  }

  // A fault's line leads to that line of the source.
  form.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-line]");
    if (!link) return;
    event.preventDefault();
    goTo(Number(link.dataset.line));
  });

  function goTo(line) {
    const area = form.elements.source;
    const lines = area.value.split("\n");
    const nth = Math.max(0, Math.min(lines.length - 1, line - Number(area.dataset.first)));
    const start = lines.slice(0, nth).reduce((sum, each) => sum + each.length + 1, 0);
    area.focus({ preventScroll: true });
    area.setSelectionRange(start, start + lines[nth].length);
    const top = area.getBoundingClientRect().top + nth * parseFloat(getComputedStyle(area).lineHeight);
    if (top < 0 || top > innerHeight - 40) scrollBy(0, top - innerHeight / 3);
  }
  addEventListener("beforeunload", (event) => {
    if (unsaved) event.preventDefault();
  });
  if (form.dataset.at) goTo(Number(form.dataset.at));
  if (counts) count();
}
