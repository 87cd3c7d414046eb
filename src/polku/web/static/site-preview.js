// A piece for the site, drawn as on a shop's page: by the tracker's own modules, with nobody told of anything.
import { draw } from "/polku/messages.js";

const stage = document.querySelector("[data-piece]");
const piece = JSON.parse(stage.dataset.piece);
const place = stage.querySelector(".place");
place.hidden = !piece.place;

function show() {
  draw(piece, {
    place: place,
    host: location.origin,
    tell: () => Promise.resolve({ ok: true, told: {} }),
    may: () => true,
    now: true, // nobody is reading yet
    track: () => {},
    random: () => "preview",
    help: () => Promise.resolve({ code: stage.dataset.code }),
    gone: () => (stage.querySelector("button").hidden = false),
  });
}

// a preview leads nowhere
document.addEventListener("click", (event) => event.composedPath().some((one) => one.href) && event.preventDefault(), true);
stage.querySelector("button").addEventListener("click", (event) => {
  event.target.hidden = true;
  show();
});
show();
