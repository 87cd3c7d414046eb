// A survey of the map, drawn from what polku.surveys.asking gives: scales, choices, texts, questions that depend on an
// earlier answer. Loaded by messages.js.
import { button, field, make, name } from "./messages.js";

export default function () {}

export function draw(piece, tools) {
  const asked = piece.form_of;
  const { words } = asked;
  const response = tools.random();
  const said = { survey: asked.survey, response: response, via: "site" };
  const answers = {}; // by field, as the form of the survey's own page sends them
  let answered = false;
  tools.track("Survey Shown", said);
  tools.left(() => answered || tools.track("Survey Dismissed", said));

  const blocks = asked.questions.map((question) => ({ question, ...DRAWS[question.draws](question) }));
  const send = button(words.send, true, submit);
  if (asked.intro) tools.body.append(make("p", {}, asked.intro));
  tools.body.append(...blocks.map((block) => block.box), make("div", { className: "g" }, send));
  refresh();
  tools.body.addEventListener("change", refresh);
  tools.body.addEventListener("input", refresh);

  function holds(wish) {
    if (!wish) return true;
    const block = blocks.find((one) => one.question.id == wish.question);
    if (!block || block.box.hidden) return false;
    const given = block.read();
    if (!given.length) return false;
    if (wish.at_least != null && +given[0] < wish.at_least) return false;
    if (wish.at_most != null && +given[0] > wish.at_most) return false;
    return !wish.answer.length || given.some((one) => wish.answer.includes(one));
  }

  function refresh() {
    blocks.forEach((block) => (block.box.hidden = !holds(block.question.if)));
  }

  function submit() {
    let first = null;
    for (const block of blocks) {
      const { question, box } = block;
      const given = box.hidden ? [] : block.read();
      const missing = !box.hidden && question.needed && !given.length;
      block.say(missing ? words.needed : "");
      if (missing && !first) first = block;
      answers["q_" + question.id] = given;
      answers["other_" + question.id] = !box.hidden && block.other && block.other() ? [block.other()] : [];
    }
    if (first) return first.focus();
    if (send.disabled) return;
    send.disabled = true;
    tools
      .tell("answered", { answers: answers, id: response })
      .then((answer) => {
        if (answer.ok) {
          answered = true;
          return tools.thanks([make("p", {}, asked.thanks)]);
        }
        if (!answer.faults) throw new Error(answer.told.message);
        blocks.forEach((block) => block.say(answer.faults[block.question.id] || ""));
      })
      .catch((error) => {
        console.warn("polku", error);
        blocks[blocks.length - 1].say(piece.words.failed);
      })
      .then(() => (send.disabled = false));
  }
}

function group(question, kind, options, after) {
  const fault = make("p", { className: "e", role: "alert" });
  const box = make(
    "fieldset",
    {},
    make("legend", {}, question.ask),
    question.hint ? make("p", { className: "n" }, question.hint) : "",
    ...after(options),
    fault,
  );
  const inputs = options.map((option) => option.input);
  return {
    box,
    read: () => inputs.filter((input) => input.checked).map((input) => input.value),
    say: (text) => (fault.textContent = text),
    focus: () => inputs[0].focus(),
  };
}

function option(kind, of, value, words) {
  const input = make("input", { type: kind, name: of, value: value });
  return { input, label: make("label", { className: "o" }, input, words) };
}

const DRAWS = {
  scale(question) {
    const { worst, best, worst_text, best_text } = question.scale;
    const of = name();
    const options = [];
    for (let value = worst; value <= best; value++) options.push(option("radio", of, value, String(value)));
    // the ends are read out with the numbers that they belong to
    options[0].input.setAttribute("aria-label", worst + ", " + worst_text);
    options[options.length - 1].input.setAttribute("aria-label", best + ", " + best_text);
    return group(question, "radio", options, (all) => [
      make("div", { className: "s" }, ...all.map((each) => each.label)),
      make("div", { className: "g j n", "aria-hidden": "true" }, make("span", {}, worst_text), make("span", {}, best_text)),
    ]);
  },
  choices(question) {
    const of = name();
    const kind = question.several ? "checkbox" : "radio";
    const options = question.choices.map((choice) => option(kind, of, choice.value, choice.title));
    const place = question.choices.findIndex((choice) => choice.writes);
    let written = null;
    const made = group(question, kind, options, (all) => {
      const inside = all.map((each) => each.label);
      if (place >= 0) {
        written = make("input", { type: "text", maxLength: 400, hidden: true, "aria-label": question.choices[place].title });
        inside.splice(place + 1, 0, written);
        all.forEach((each) => each.input.addEventListener("change", () => (written.hidden = !all[place].input.checked)));
      }
      return inside;
    });
    return { ...made, other: () => (written && !written.hidden ? written.value.trim() : "") };
  },
  text(question) {
    const input = make("textarea", { rows: 3, maxLength: question.most });
    const one = field(question.ask, input, question.hint);
    return { box: one.box, read: () => (input.value.trim() ? [input.value.trim()] : []), say: one.say, focus: () => input.focus() };
  },
};
