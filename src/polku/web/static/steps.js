// Steps in order as a list that the keyboard edits: write, add, remove, move (Alt and the arrow keys as well).
// The text with commas stays the field that is sent, and the way to write them without a script.
export function steps() {
  for (const box of document.querySelectorAll("[data-steps]")) edit(box);
}

function edit(box) {
  const field = box.querySelector("input");
  const words = box.dataset;
  const list = document.createElement("ol");
  list.className = "step-list";
  const told = document.querySelector("#told");
  const add = button(words.add, () => {
    list.append(item(""));
    renew();
    list.lastElementChild.querySelector("input").focus();
  });
  for (const step of field.value.split(",")) if (step.trim()) list.append(item(step.trim()));
  field.type = "hidden";
  field.before(list);
  field.after(add);
  const label = box.querySelector("label");
  list.setAttribute("aria-label", label.textContent.trim());
  label.removeAttribute("for");
  renew();

  function button(text, act, sign) {
    const made = document.createElement("button");
    made.type = "button";
    made.textContent = sign ?? text;
    if (sign) made.setAttribute("aria-label", text);
    made.addEventListener("click", act);
    return made;
  }

  function item(value) {
    const row = document.createElement("li");
    const input = document.createElement("input");
    input.type = "text";
    input.value = value;
    input.autocomplete = "off";
    input.setAttribute("list", "known-steps");
    input.addEventListener("input", renew);
    input.addEventListener("keydown", (event) => {
      if (!event.altKey || !["ArrowUp", "ArrowDown"].includes(event.key)) return;
      event.preventDefault();
      move(row, event.key === "ArrowUp" ? -1 : 1);
    });
    row.append(
      input,
      button(words.up, () => move(row, -1), "↑"),
      button(words.down, () => move(row, 1), "↓"),
      button(words.remove, () => drop(row), "×"),
    );
    return row;
  }

  function move(row, by) {
    const rows = [...list.children];
    const place = rows.indexOf(row) + by;
    if (place < 0 || place >= rows.length) return;
    const held = document.activeElement;
    if (by < 0) rows[place].before(row);
    else rows[place].after(row);
    renew();
    (held.disabled || !row.contains(held) ? row.querySelector("input") : held).focus();
    told.textContent = `${row.querySelector("input").value}: ${words.toldMoved.replace("#", place + 1)}`;
  }

  function drop(row) {
    const next = row.nextElementSibling ?? row.previousElementSibling;
    told.textContent = `${row.querySelector("input").value}: ${words.toldRemoved}`;
    row.remove();
    renew();
    (next?.querySelector("input") ?? add).focus();
  }

  function renew() {
    const rows = [...list.children];
    rows.forEach((row, place) => {
      const [input, up, down] = row.children;
      input.setAttribute("aria-label", `${words.step} ${place + 1}`);
      up.disabled = place === 0;
      up.dataset.end = String(up.disabled);
      down.disabled = place === rows.length - 1;
      down.dataset.end = String(down.disabled);
    });
    field.value = rows.map((row) => row.firstElementChild.value.trim()).filter(Boolean).join(",");
  }
}
