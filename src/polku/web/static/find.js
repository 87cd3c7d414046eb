// The list of measures follows what is written in its field; a measure's form shows its days when they are chosen.
export function find() {
  const form = document.querySelector("form[data-find]");
  if (!form) return;
  const nav = form.closest("nav");
  const none = nav.querySelector("[data-found-none]");
  const shelves = [...nav.querySelectorAll(".shelf")].map((shelf) => ({ shelf, open: shelf.open }));
  const show = () => {
    const words = form.elements.q.value.toLowerCase().split(/\s+/).filter(Boolean);
    let found = 0;
    for (const { shelf, open } of shelves) {
      let here = 0;
      for (const item of shelf.querySelectorAll("li")) {
        const text = item.dataset.words.toLowerCase();
        item.hidden = !words.every((word) => text.includes(word));
        here += item.hidden ? 0 : 1;
      }
      shelf.hidden = here === 0;
      shelf.open = words.length ? here > 0 : open;
      found += here;
    }
    none.textContent = found ? "" : none.dataset.foundNone;
  };
  form.addEventListener("input", show);
  form.addEventListener("submit", (event) => {
    const first = [...nav.querySelectorAll("li:not([hidden]) a")][0];
    if (!form.elements.q.value || !first) return;
    event.preventDefault();
    location.href = first.href; // Enter opens the first that was found
  });
}

export function period() {
  const form = document.querySelector("form[data-measure]");
  const days = form?.querySelector("[data-days]");
  form?.addEventListener("change", () => days?.classList.toggle("days-off", form.elements.period.value !== "custom"));
  // empty fields say nothing: they stay out of the address
  form?.addEventListener("submit", () => {
    for (const field of form.elements) {
      if (field.name && !field.value) field.disabled = true;
    }
  });
  addEventListener("pageshow", () => {
    for (const field of form?.elements ?? []) field.disabled = field.dataset.end === "true";
  });
}
