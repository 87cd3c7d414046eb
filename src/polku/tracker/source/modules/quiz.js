// A quiz: one question at a time, then its result: the one with the most points. Loaded by messages.js.
import { button, form, grow, link, make, name, picture } from "./messages.js";

export default function () {}

export function draw(piece, tools) {
  const { words, questions, results } = piece;
  const chosen = questions.map(() => new Set());
  const box = make("div", {});
  let at = 0;
  tools.body.append(box);
  ask(false);

  function ask(moved) {
    const question = questions[at];
    const step = words.step.replace("{number}", at + 1).replace("{count}", questions.length);
    const legend = make("legend", { tabIndex: -1 }, make("span", { className: "n k" }, step), question.text);
    const fault = make("p", { className: "e", role: "alert" });
    const group = name();
    const options = question.choices.map((choice, number) => {
      const input = make("input", { type: question.several ? "checkbox" : "radio", name: group, checked: chosen[at].has(number) });
      input.addEventListener("change", () => {
        if (!question.several) chosen[at].clear();
        if (input.checked) chosen[at].add(number);
        else chosen[at].delete(number);
        fault.textContent = "";
      });
      return make("label", { className: "o" }, input, choice.text);
    });
    const last = at == questions.length - 1;
    const on = () => {
      if (!chosen[at].size) {
        fault.textContent = words.choose;
        options[0].firstChild.focus();
        return;
      }
      if (last) return end();
      at++;
      ask(true);
    };
    const back = at ? button(words.back, false, () => (at--, ask(true))) : "";
    box.replaceChildren(
      make("fieldset", {}, legend, ...options, fault),
      make("div", { className: "g j" }, back, button(last ? words.result : words.next, true, on)),
    );
    if (moved) legend.focus();
  }

  function winner() {
    const points = {};
    for (const result in results) points[result] = 0;
    questions.forEach((question, number) =>
      chosen[number].forEach((one) => {
        const to = question.choices[one].to;
        for (const result in to) points[result] += to[result];
      }),
    );
    return Object.keys(points).reduce((best, one) => (points[one] > points[best] ? one : best));
  }

  function end() {
    const result = results[winner()];
    const answers = {};
    questions.forEach((question, number) => (answers[question.id] = [...chosen[number]].map(String)));
    if (tools.may()) tools.tell("answered", { answers: answers }).catch((error) => console.warn("polku", error));
    const title = make("h3", { tabIndex: -1 }, result.title);
    const more = make("div", {});
    box.replaceChildren(
      make("p", { className: "n k" }, words.result),
      title,
      picture(result.image) || "",
      ...grow(result.text),
      result.button ? make("p", { className: "g" }, link(result.button)) : "",
      more,
      button(words.again, false, () => {
        chosen.forEach((set) => set.clear());
        at = 0;
        ask(true);
      }),
    );
    if (piece.form)
      more.append(
        form(piece, tools, (nodes) => {
          more.replaceChildren(make("div", { role: "status", tabIndex: -1 }, ...nodes));
          more.firstChild.focus();
        }),
      );
    title.focus();
  }
}
