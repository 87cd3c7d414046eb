// Turn one tree into another by changing only what differs: focus, scrolling and opened details stay where they are,
// and a number that changed fades in.

const KEPT = new Set(["open"]); // the reader's own doing, not the server's

function sameKind(a, b) {
  return a.nodeType === b.nodeType && a.nodeName === b.nodeName && (a.id || "") === (b.id || "");
}

function attributes(from, to) {
  for (const { name } of [...from.attributes]) {
    if (!to.hasAttribute(name) && !KEPT.has(name)) from.removeAttribute(name);
  }
  for (const { name, value } of to.attributes) {
    if (!KEPT.has(name) && from.getAttribute(name) !== value) from.setAttribute(name, value);
  }
}

function formState(from, to) {
  if (from === document.activeElement) return;
  if (from instanceof HTMLTextAreaElement && from.value !== to.value) from.value = to.value;
  if (from instanceof HTMLInputElement && from.type === "checkbox") from.checked = to.checked;
  else if (from instanceof HTMLInputElement && from.value !== to.value) from.value = to.value;
  if (from instanceof HTMLOptionElement && from.selected !== to.selected) from.selected = to.selected;
}

function fade(element) {
  if (!element || element.closest("textarea, [data-still]") || document.documentElement.classList.contains("settling")) return;
  element.classList.remove("changed");
  requestAnimationFrame(() => requestAnimationFrame(() => element.classList.add("changed")));
}

export function morph(from, to) {
  let changes = 0;
  if (from.nodeType === Node.TEXT_NODE) {
    if (from.data !== to.data) {
      const visible = from.data.trim() !== to.data.trim();
      from.data = to.data;
      if (visible) {
        fade(from.parentElement);
        changes += 1;
      }
    }
    return changes;
  }
  if (from.nodeType !== Node.ELEMENT_NODE) return changes;
  attributes(from, to);
  formState(from, to);
  const wanted = [...to.childNodes];
  let here = from.firstChild;
  for (const node of wanted) {
    if (node.id && (!here || here.id !== node.id)) {
      // the same part may have moved: find it before a new one is made
      const moved = [...from.children].find((child) => child.id === node.id);
      if (moved) {
        from.insertBefore(moved, here);
        here = moved;
      }
    }
    if (here && sameKind(here, node)) {
      changes += morph(here, node);
      here = here.nextSibling;
    } else {
      const made = document.importNode(node, true);
      from.insertBefore(made, here);
      if (made.nodeType === Node.ELEMENT_NODE || made.data.trim()) changes += 1;
    }
  }
  while (here) {
    const next = here.nextSibling;
    here.remove();
    here = next;
    changes += 1;
  }
  return changes;
}
