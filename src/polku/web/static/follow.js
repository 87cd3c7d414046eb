// Ask now and then whether anything changed, and bring in what did.
import { swap } from "./swap.js";

export function follow() {
  const pause = Number(document.body.dataset.poll);
  if (!pause || !document.body.dataset.version) return;
  const told = document.getElementById("told");
  let failures = 0;

  async function look() {
    if (!document.hidden) {
      try {
        const response = await fetch("/api/version", { cache: "no-store" });
        if (response.ok) {
          const { version } = await response.json();
          failures = 0;
          if (version !== document.body.dataset.version && !document.activeElement?.matches("input, select")) {
            const changes = await swap(location.href);
            if (changes > 0 && told.textContent === "") told.textContent = document.body.dataset.told;
          }
        }
      } catch {
        failures = Math.min(failures + 1, 6);
      }
    }
    setTimeout(look, pause * 2 ** failures);
  }
  setTimeout(look, pause);
}
