// Parts of a page that follow what happens: each fetches its page now and then and takes its own part of it. What the
// reader is doing elsewhere on the page stays. Times that say how long ago are kept right between the fetches.
import { morph } from "./morph.js";

export function parts() {
  const groups = new Map();
  for (const part of document.querySelectorAll("[data-part]")) {
    const group = groups.get(part.dataset.part) ?? { every: Number(part.dataset.every), ids: [] };
    group.ids.push(part.id);
    groups.set(part.dataset.part, group);
  }
  for (const [url, { every, ids }] of groups) follow(url, every, ids);
  if (document.querySelector("[data-ago]")) tell();
}

function follow(url, every, ids) {
  let failures = 0;
  async function look() {
    if (!document.hidden) {
      try {
        const response = await fetch(url, { headers: { Accept: "text/html" }, cache: "no-cache", credentials: "same-origin" });
        if (response.ok && !response.redirected) {
          const page = new DOMParser().parseFromString(await response.text(), "text/html");
          for (const id of ids) {
            const here = document.getElementById(id);
            const there = page.getElementById(id);
            if (here && there) morph(here, there);
          }
          failures = 0;
        }
      } catch {
        failures = Math.min(failures + 1, 6); // the server is away; the next round tries again
      }
    }
    setTimeout(look, every * 2 ** failures);
  }
  setTimeout(look, every);
}

function tell() {
  const words = new Intl.RelativeTimeFormat(document.documentElement.lang, { style: "short" });
  const steps = [
    ["second", 1, 60],
    ["minute", 60, 3600],
    ["hour", 3600, 86400],
    ["day", 86400, Infinity],
  ];
  const write = () => {
    for (const time of document.querySelectorAll("[data-ago]")) {
      const seconds = Math.max(0, (Date.now() - Date.parse(time.dateTime)) / 1000);
      const [unit, size] = steps.find(([, , most]) => seconds < most);
      const text = `(${words.format(-Math.floor(seconds / size), unit)})`;
      if (time.dataset.ago !== text) time.dataset.ago = text;
    }
  };
  write();
  setInterval(write, 1000);
  new MutationObserver(write).observe(document.querySelector("main"), { subtree: true, childList: true, attributes: true, attributeFilter: ["data-ago", "datetime"] });
}
