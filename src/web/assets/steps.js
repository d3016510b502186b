// A plan: its steps as rows, and what else it says as lines.
import { el } from "./dom.js";
import { List } from "./list.js";
import { count } from "./words.js";

const SIGN = { create: "+", change: "~", drain: "~", delete: "-" };

export function step_list(label, empty) {
  return new List({ label, kind: "steps", height: { wide: 3.4, narrow: 5.4 }, draw, empty });
}

// The rows of a plan; those of another one are other rows.
let plans = 0;

export function step_rows(plan) {
  plans += 1;
  return (plan?.steps ?? []).map((step, index) => ({ ...step, key: `${plans}-${index}`, version: 1 }));
}

function draw(step) {
  const about = [step.name, step.service].filter(Boolean).join(" ");
  const effects = step.effects.map((effect) => effect.text).join("; ");
  const text = effects ? `${step.text}; ${effects}` : step.text;
  return [
    el("span", { class: `action a-${SIGN[step.action] ? step.action : "other"}` },
      `${SIGN[step.action] ?? "·"} ${step.action}`),
    el("span", {}, step.kind),
    el("span", { class: "about", title: about }, about),
    el("span", { class: "text", title: text }, text),
  ];
}

// "2 to add, 1 to change, 0 to remove", and that there are more steps than are shown.
export function summary(plan) {
  if (plan.error) return plan.error.message;
  if (!plan.changes) return "nothing to do";
  const { add, change, remove } = plan.summary;
  const more = plan.left_out > 0 ? `; ${count(plan.left_out, "more step is", "more steps are")} not shown` : "";
  return `${add} to add, ${change} to change, ${remove} to remove${more}`;
}

// What a plan says besides its steps: [level, text].
export function remarks(plan) {
  const lines = [];
  for (const one of plan.diagnostics ?? []) {
    const place = one.file ? `${one.file}:${one.start.line}: ` : "";
    lines.push([one.severity === "error" ? "bad" : "", `${place}${one.severity}: ${one.message}`]);
  }
  for (const one of plan.warnings ?? []) lines.push(["", `this machine: ${one.text}`]);
  for (const one of plan.guards ?? []) lines.push(["bad", `a guard objects: ${one.text ?? words(one)}`]);
  if (plan.without_checks?.length > 0) lines.push(["", `no longer checked: ${first(plan.without_checks)}`]);
  for (const one of (plan.joining ?? []).slice(0, MOST)) {
    const stay = one.stay.length > 0 ? `; until then these stay: ${first(one.stay)}` : "";
    lines.push(["", `waiting: ${first(one.servers)} of ${one.service} ` +
      `join after ${count(one.rise, "success", "successes")} in a row${stay}`]);
  }
  for (const one of plan.addresses ?? []) lines.push([one.effect === "splits" ? "bad" : "", `${one.section}: ${one.text}`]);
  if (plan.foreign?.length > 0) lines.push(["", `not director's own, stay as they are: ${first(plan.foreign)}`]);
  for (const one of plan.lacking ?? []) lines.push(["", one.text]);
  for (const text of plan.lost ?? []) lines.push(["", `the history is damaged: ${text}`]);
  return lines;
}

const MOST = 20;

function first(names) {
  const shown = names.slice(0, 8).join(", ");
  return names.length > 8 ? `${shown} and ${names.length - 8} more` : shown;
}

// "too many removed: removed 3, of 4, limit 1"
function words(one) {
  const rest = Object.entries(one).filter(([key]) => key !== "kind");
  return `${one.kind.replaceAll("_", " ")}: ${rest.map(([key, value]) => `${key} ${[value].flat().join(", ")}`).join(", ")}`;
}

export function remark_lines(lines) {
  return lines.map(([level, text]) => el("p", level ? { class: level } : {}, text));
}
