// Choices on the map take effect at once and stay in the URL; the button is for those who read without scripts.
import { swap } from "./swap.js";

function address(form) {
  const query = new URLSearchParams();
  for (const [name, value] of new FormData(form)) {
    if (value) query.append(name, value);
  }
  const text = query.toString();
  return form.getAttribute("action") + (text ? `?${text}` : "");
}

function ready(form) {
  const period = form.elements.period;
  const days = form.querySelector("[data-days]");
  if (!period || !days) return true;
  days.classList.toggle("days-off", period.value !== "custom");
  return period.value !== "custom" || Boolean(form.elements.since.value || form.elements.until.value);
}

export function choose() {
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-swap]");
    if (!link || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    swap(link.href, { push: true });
  });
  document.addEventListener("change", (event) => {
    const form = event.target.form;
    if (!form || !ready(form) || !form.matches("form[data-swap]")) return;
    swap(address(form), { push: true });
  });
  document.addEventListener("submit", (event) => {
    if (!event.target.matches("form[data-swap]")) return;
    event.preventDefault();
    swap(address(event.target), { push: true });
  });
  addEventListener("popstate", (event) => {
    if (location.pathname === "/" && (event.state?.swapped || document.querySelector("#map"))) swap(location.href);
  });
}
