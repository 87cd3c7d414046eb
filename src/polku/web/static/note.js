// The note's form finds customers as one types. Without it the form still sends what is chosen or written.
const WAIT = 150; // milliseconds after a key

export function note() {
  const form = document.querySelector("form[data-note]");
  if (!form) return;
  const search = form.elements.q;
  const list = form.querySelector("#found");
  const fresh = form.querySelector("[data-new]");
  let timer = 0;
  let asked = 0;

  function choice(customer) {
    const label = document.createElement("label");
    label.className = "pick";
    const radio = document.createElement("input");
    Object.assign(radio, { type: "radio", name: "customer", value: customer.id });
    const text = document.createElement("span");
    const about = document.createElement("small");
    about.textContent = customer.about;
    text.append(`${customer.name} `, about);
    label.append(radio, text);
    return label;
  }

  async function find() {
    const mine = ++asked;
    const answer = await fetch(`/note/customers?q=${encodeURIComponent(search.value)}`, { credentials: "same-origin" });
    if (!answer.ok || mine !== asked) return;
    const found = await answer.json();
    const kept = list.querySelector("input:checked")?.closest("label");
    const others = found.filter((each) => String(each.id) !== kept?.querySelector("input").value);
    list.replaceChildren(...(kept ? [kept] : []), ...others.map(choice));
    if (found.length === 0 && search.value.trim() && !kept) {
      const none = document.createElement("p");
      none.className = "small";
      none.textContent = form.dataset.none;
      list.append(none);
      propose(search.value.trim());
    }
  }

  // What nobody has is a new customer's: the text goes where it belongs.
  function propose(text) {
    fresh.open = true;
    fresh.querySelector("input[type=radio]").checked = true;
    const field = text.includes("@") ? "email" : /^[+\d][\d ()-]{5,}$/.test(text) ? "phone" : "name";
    for (const name of ["name", "email", "phone"]) {
      const input = form.elements[name];
      if (name === field) input.value = text;
      else if (input.dataset.proposed) input.value = "";
      input.dataset.proposed = name === field ? "yes" : "";
    }
  }

  search.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(find, WAIT);
  });
  search.addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault(); // Enter searches; the button saves
    clearTimeout(timer);
    find();
  });
  fresh.addEventListener("input", (event) => {
    if (event.target.type !== "radio") fresh.querySelector("input[type=radio]").checked = true;
  });
}
