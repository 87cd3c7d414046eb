// Reviews of a product where the page has a place for them: <div data-polku-reviews="P-1"></div>, or of the shop itself
// with an empty value. Drawn from what Polku tells anybody (GET /reviews/...). Loaded by site.js.
import { button, make, settle, shadow } from "./messages.js";

const AT_ONCE = 5;

export default function () {}

export function draw(place, { host, language, words }) {
  const product = place.dataset.polkuReviews;
  const most = +place.dataset.polkuMost || AT_ONCE;
  const path = "/reviews" + (product ? "/" + product.split("/").map(encodeURIComponent).join("/") : "");
  const spoken = language || "en";
  const day = new Intl.DateTimeFormat(spoken, { dateStyle: "long" });
  const number = new Intl.NumberFormat(spoken, { maximumFractionDigits: 1 });
  const ask = (offset) =>
    fetch(host + path + "?limit=" + most + "&offset=" + offset, { credentials: "omit" }).then((answer) => {
      if (!answer.ok) throw new Error("reviews: " + answer.status);
      return answer.json();
    });

  const stars = (rating) =>
    make(
      "span",
      { className: "z", role: "img", "aria-label": words.stars.replace("{rating}", number.format(rating)) },
      "★★★★★".slice(0, Math.round(rating)) + "☆☆☆☆☆".slice(Math.round(rating)),
    );

  function one(review) {
    const about = [review.author, day.format(new Date(review.time))].filter(Boolean).join(", ");
    return make(
      "article",
      { className: "v" },
      make("p", {}, stars(review.rating), " ", make("span", { className: "n" }, about), review.verified ? make("span", { className: "n" }, " ✓ " + words.verified) : ""),
      review.title ? make("h3", {}, review.title) : "",
      review.text ? make("p", {}, review.text) : "",
      review.reply ? make("blockquote", {}, make("p", { className: "k" }, words.reply), make("p", {}, review.reply.text)) : "",
      make("p", { className: "n" }, make("a", { href: host + "/review-report?review=" + encodeURIComponent(review.id), rel: "nofollow" }, words.report)),
    );
  }

  ask(0)
    .then((told) => {
      const element = make("div", { "data-polku-piece": "reviews", lang: spoken });
      const root = shadow(element);
      const list = make("div", {}, ...told.reviews.map(one));
      const box = make("section", { className: "p", "aria-label": words.title }, make("h2", {}, words.title));
      if (told.count) {
        const sum = words.sum.replace("{average}", number.format(told.average)).replace("{count}", number.format(told.count));
        box.append(make("p", {}, stars(told.average), " " + sum), list);
        box.append(make("p", { className: "n" }, told.checked ? words.checked : words.unchecked));
      } else box.append(make("p", { className: "n" }, words.none));
      let shown = told.reviews.length;
      const more = button(words.more, false, () =>
        ask(shown)
          .then((next) => {
            const first = list.children.length;
            list.append(...next.reviews.map(one));
            shown += next.reviews.length;
            more.hidden = shown >= next.count || !next.reviews.length;
            const target = list.children[first];
            if (target) {
              target.tabIndex = -1;
              target.focus(); // the next one to read
            }
          })
          .catch((error) => console.warn("polku", error)),
      );
      more.hidden = shown >= told.count;
      box.append(more);
      root.append(box);
      settle(place, element, 0, () => {});
    })
    .catch((error) => console.warn("polku", error));
}
