// Pictures read by pointer and keyboard alike: one stop for Tab, arrow keys from part to part, Enter opens the
// customers behind it, and a line below says what the part says. PNG is drawn from the SVG that the server gives.
export function charts() {
  for (const figure of document.querySelectorAll("[data-chart]")) {
    const readout = figure.querySelector(".readout");
    for (const svg of figure.querySelectorAll(".drawing svg")) walk(svg, readout);
    const button = figure.querySelector("[data-png]");
    const link = figure.querySelector("[data-svg]");
    if (button && link) {
      button.hidden = false;
      button.addEventListener("click", () => png(link.href));
    }
  }
}

function walk(svg, readout) {
  const marks = [...svg.querySelectorAll(".mark")];
  const at = (mark) => [Number(mark.dataset.row), Number(mark.dataset.column)];
  const stops = marks.filter((mark) => mark.tagName === "a" || mark.tagName === "A");
  const places = stops; // a picture without links is an image: its table below says the same to the keyboard
  places.sort((a, b) => at(a)[0] - at(b)[0] || at(a)[1] - at(b)[1]);
  const hold = (mark) => {
    for (const other of places) other.setAttribute("tabindex", other === mark ? "0" : "-1");
  };
  if (places.length) hold(places[0]);
  const say = (mark) => {
    readout.textContent = mark.dataset.label;
  };
  for (const mark of marks) {
    mark.addEventListener("pointerenter", () => say(mark));
    mark.addEventListener("focus", () => {
      say(mark);
      hold(mark);
    });
  }
  svg.addEventListener("keydown", (event) => {
    const here = event.target.closest?.(".mark");
    if (!here || event.altKey || event.ctrlKey || event.metaKey) return;
    const next = beside(here, event.key);
    if (!next) return;
    event.preventDefault();
    next.focus();
    next.scrollIntoView({ block: "nearest", inline: "nearest" });
  });

  function beside(here, key) {
    const place = places.indexOf(here);
    if (key === "Home") return places[0];
    if (key === "End") return places[places.length - 1];
    const [row, column] = at(here);
    const ways = {
      ArrowRight: (r, c) => r === row && c > column,
      ArrowLeft: (r, c) => r === row && c < column,
      ArrowDown: (r, c) => r > row,
      ArrowUp: (r, c) => r < row,
    };
    const way = ways[key];
    if (!way) return null;
    let best = null;
    let nearest = Infinity;
    for (const mark of places) {
      const [r, c] = at(mark);
      if (mark === here || !way(r, c)) continue;
      const far = Math.abs(r - row) * 1000 + Math.abs(c - column);
      if (far < nearest) [best, nearest] = [mark, far];
    }
    // at the end of a row the next part follows, so that every part can be reached with two keys
    if (!best) best = places[place + (key === "ArrowRight" || key === "ArrowDown" ? 1 : -1)] ?? null;
    return best;
  }
}

const SHARP = 2; // pixels of the file for one of the picture

async function png(url) {
  const response = await fetch(url, { credentials: "same-origin" });
  if (!response.ok) return;
  const name = /filename="([^"]+)\.svg"/.exec(response.headers.get("content-disposition") ?? "")?.[1] ?? "chart";
  const image = new Image();
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(await response.text())}`;
  await image.decode();
  const canvas = document.createElement("canvas");
  canvas.width = image.naturalWidth * SHARP;
  canvas.height = image.naturalHeight * SHARP;
  canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
  const blob = await new Promise((done) => canvas.toBlob(done, "image/png"));
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = `${name}.png`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
