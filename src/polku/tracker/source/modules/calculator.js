// A calculator: what is put in, and what comes of it while it is put in. Formulas come as trees (polku.onsite.formula), so
// nothing that is text is ever run. Loaded by messages.js.
import { field, form, make } from "./messages.js";

export default function () {}

const round = (value, places) => {
  const size = 10 ** Math.trunc(places || 0);
  return (Math.sign(value) * Math.floor(Math.abs(value) * size + 0.5)) / size;
};
const DOES = {
  "+": (a, b) => a + b, "-": (a, b) => a - b, "*": (a, b) => a * b, "/": (a, b) => a / b,
  "%": (a, b) => a - b * Math.floor(a / b), "^": (a, b) => a ** b, neg: (a) => -a,
  "<": (a, b) => a < b, "<=": (a, b) => a <= b, ">": (a, b) => a > b, ">=": (a, b) => a >= b,
  "=": (a, b) => a == b, "!=": (a, b) => a != b,
  and: (...parts) => parts.every((part) => part != 0), or: (...parts) => parts.some((part) => part != 0), not: (a) => a == 0,
  min: Math.min, max: Math.max, abs: Math.abs, floor: Math.floor, ceil: Math.ceil, round: round, sqrt: Math.sqrt,
}; // prettier-ignore

/** What a formula comes to; null where that is no finite number. The same as polku.onsite.formula.evaluate. */
export function evaluate(formula, values) {
  if (typeof formula == "number") return formula;
  const [sign, ...parts] = formula;
  if (sign == "name") return finite(values[parts[0]]);
  if (sign == "if") {
    const condition = evaluate(parts[0], values);
    return condition === null ? null : evaluate(condition ? parts[1] : parts[2], values);
  }
  const known = parts.map((part) => evaluate(part, values));
  return known.includes(null) ? null : finite(DOES[sign](...known));
}

const finite = (value) => (value != null && isFinite(value) ? +value : null);

export function draw(piece, tools) {
  const inputs = piece.inputs.map((one) => {
    const wide = one.choices && one.choices.length;
    const input = wide
      ? make("select", {}, ...one.choices.map((choice) => make("option", { value: choice.value }, choice.text)))
      : make("input", { type: "number", inputMode: "decimal" });
    if (!wide) for (const name of ["min", "max", "step"]) if (one[name] != null) input[name] = one[name];
    if (one.value != null) input.value = one.value;
    return Object.assign(field(one.label + (one.unit ? " (" + one.unit + ")" : ""), input), { one, wide });
  });
  const outputs = piece.outputs.map((one) => ({ one, value: make("output", {}), unit: one.unit }));
  const list = make("dl", { "aria-live": "polite" }, ...outputs.flatMap(({ one, value }) => [make("dt", {}, one.label), make("dd", {}, value)]));
  tools.body.append(...inputs.map((each) => each.box), list);
  if (piece.form)
    tools.body.append(make("p", {}), form(piece, tools, (nodes) => tools.thanks(nodes)));

  function written({ one }, value) {
    if (value === null) return "–";
    const digits = one.decimals != null ? one.decimals : one.format == "money" ? 2 : 0;
    const how = { minimumFractionDigits: one.decimals != null || one.format == "money" ? digits : 0, maximumFractionDigits: one.decimals != null || one.format != "number" ? digits : 2 };
    if (one.format == "money") Object.assign(how, { style: "currency", currency: piece.currency });
    if (one.format == "percent") how.style = "percent";
    return new Intl.NumberFormat(piece.language, how).format(value) + (one.unit ? " " + one.unit : "");
  }

  let timer = 0;
  function reckon(touched) {
    const values = {};
    let fits = true;
    for (const each of inputs) {
      const { one, input, wide } = each;
      const value = input.value === "" ? null : finite(+input.value);
      const ok = value !== null && (wide || ((one.min == null || value >= one.min) && (one.max == null || value <= one.max)));
      each.say(ok || !touched ? "" : piece.words.needed);
      if (ok) values[one.id] = value;
      else fits = false;
    }
    const answers = {};
    for (const id in values) answers[id] = [String(values[id])];
    for (const each of outputs) {
      const value = fits ? evaluate(each.one.formula, values) : null;
      if (value !== null) values[each.one.id] = value;
      each.value.textContent = written(each, value);
    }
    clearTimeout(timer);
    if (!touched || !fits || !tools.may()) return;
    // said once the visitor has come to rest, not at every key
    timer = setTimeout(() => tools.tell("answered", { answers: answers }).catch((error) => console.warn("polku", error)), 2000);
  }
  inputs.forEach((each) => each.input.addEventListener("input", () => reckon(true)));
  reckon(false);
}
