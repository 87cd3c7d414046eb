// Fetch a page of this site and put its content in place of this one's.
import { morph } from "./morph.js";

let latest = 0;

export async function swap(url, { push = false } = {}) {
  const turn = ++latest;
  let response;
  try {
    response = await fetch(url, { headers: { Accept: "text/html" }, credentials: "same-origin" });
  } catch {
    return -1; // the server is away; the next round tries again
  }
  const text = await response.text();
  if (turn !== latest) return 0; // a newer wish has overtaken this one
  const page = new DOMParser().parseFromString(text, "text/html");
  const main = page.querySelector("main");
  if (!main) return -1;
  if (push) history.pushState({ swapped: true }, "", url);
  document.title = page.title;
  document.body.dataset.version = page.body.dataset.version ?? "";
  const language = document.querySelector("a.language");
  const newLanguage = page.querySelector("a.language");
  if (language && newLanguage) language.href = newLanguage.getAttribute("href");
  const foot = document.querySelector(".foot");
  const newFoot = page.querySelector(".foot");
  if (foot && newFoot) morph(foot, newFoot);
  return morph(document.querySelector("main"), main);
}
