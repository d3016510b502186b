// What a reload of the files on disk would change.
import { Question } from "./ask.js";
import { command, el } from "./dom.js";
import { remark_lines, remarks, step_list, step_rows, summary } from "./steps.js";
import { ago, now } from "./words.js";

// After these events it is another plan.
const NEWS = ["loaded", "rejected", "discovered"];
const PAUSE = 700;

export function plan(page) {
  const question = new Question();
  let found = null;
  let trouble = null;
  let read_at = null;
  let timer = null;
  const facts = el("p", { class: "dim" }, "Reading the files.");
  const again = el("button", { click: read }, "Read again");
  const notes = el("div", { class: "notes", role: "region", "aria-label": "Remarks", hidden: "" });
  const act = el("div", { class: "bar", hidden: "" }, command(["director", "reload"]));
  const list = step_list("Steps", () => trouble ?? (found ? summary_of(found) : "Reading the files."));
  page.root.append(
    el("div", { class: "bar" }, el("h1", {}, "What a reload would change"), facts, again),
    notes, act, list.element,
  );

  function summary_of(plan) {
    return plan.error ? `no plan: ${plan.error.message}` : summary(plan);
  }

  function read() {
    clearTimeout(timer);
    question.ask("/api/plan", (answer, why) => {
      trouble = why;
      if (answer) {
        found = answer;
        read_at = now();
      }
      show();
    });
  }

  function show() {
    const lines = found ? remarks(found) : [];
    notes.hidden = lines.length === 0;
    if (lines.length > 0) notes.tabIndex = 0;
    else notes.removeAttribute("tabindex");
    notes.replaceChildren(...remark_lines(lines));
    act.hidden = !found?.changes;
    list.set(step_rows(found));
    tick();
  }

  function tick() {
    const parts = [];
    if (trouble) parts.push(`no answer: ${trouble}`);
    if (found) parts.push(summary_of(found), `read ${ago(read_at)} ago`);
    const text = parts.join("; ") || "Reading the files.";
    if (facts.textContent !== text) facts.textContent = text;
  }

  read();
  return {
    title: "plan", stream: "",
    take: (name, data) => {
      if (name === "missed" || (name === "event" && NEWS.includes(data.kind))) {
        clearTimeout(timer);
        timer = setTimeout(read, PAUSE);
      }
    },
    key: (name) => list.key(name),
    tick,
    destroy: () => {
      question.forget();
      clearTimeout(timer);
      list.destroy();
    },
  };
}
