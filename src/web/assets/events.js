// What happened, and what happens.
import { el } from "./dom.js";
import { List } from "./list.js";
import { clock } from "./words.js";

const MOST = 2000;
const PAUSE = 300;

export function events(page) {
  let rows = [];
  let kinds = new Set();
  let trouble = null;
  let timer = null;
  let asked = 0;
  let destroyed = false;
  const field = (name, label) => {
    const input = el("input", { type: "search", "aria-label": label, placeholder: label,
      input: () => page.remember({ [name]: input.value }) });
    input.value = page.query.get(name) ?? "";
    return input;
  };
  const service = field("service", "Service");
  const server = field("server", "Server");
  const kind = el("select", { change: () => page.remember({ kind: kind.value }) });
  const list = new List({
    label: "Events", kind: "events", height: { wide: 3.4, narrow: 6 },
    draw,
    empty: () => trouble ?? "No such event.",
  });
  page.root.append(
    el("div", { class: "bar" }, el("h1", {}, "Events"), service, server, el("label", {}, "Kind", kind)),
    list.element,
  );

  function draw(row) {
    const about = [row.service, row.listen, row.server].filter(Boolean).join(" ");
    const link = row.listen
      ? el("a", { href: `/service/${encodeURIComponent(row.listen)}`, tabindex: "-1" }, about)
      : about;
    return [
      el("span", { class: "num" }, clock(row.at_ms)),
      el("span", {}, row.kind),
      el("span", { class: "about", title: about }, link),
      el("span", { class: "text", title: row.text }, row.text),
    ];
  }

  function options() {
    const wanted = kind.value || page.query.get("kind") || "";
    if (wanted) kinds.add(wanted);
    const all = ["", ...[...kinds].sort()];
    kind.replaceChildren(...all.map((name) => el("option", { value: name }, name || "all")));
    kind.value = wanted;
  }

  async function read() {
    const mine = (asked += 1);
    const query = new URLSearchParams({ last: "1000" });
    if (service.value) query.set("service", service.value);
    if (server.value) query.set("server", server.value);
    if (kind.value) query.set("kind", kind.value);
    const answer = await fetch(`/api/events?${query}`).catch((error) => ({ ok: false, error }));
    const found = await answer.json?.().catch(() => null);
    // Another question was asked in the meantime.
    if (destroyed || mine !== asked) return;
    trouble = answer.ok ? null : found?.error?.message ?? "no answer";
    rows = answer.ok ? found.reverse().map(row) : [];
    for (const { kind: name } of rows) kinds.add(name);
    options();
    list.set(rows);
  }

  const row = (event) => ({ ...event, key: event.id, version: event.id });

  function take(name, data) {
    if (name === "missed") read();
    if (name !== "event") return;
    kinds.add(data.kind);
    // Patterns and names of addresses are for the director to judge.
    if (service.value || server.value) later();
    else if (!kind.value || kind.value === data.kind) {
      rows = [row(data), ...rows.filter((one) => one.id !== data.id)].slice(0, MOST);
      list.set(rows);
    }
  }

  function later() {
    clearTimeout(timer);
    timer = setTimeout(read, PAUSE);
  }

  options();
  read();
  return {
    title: "events", stream: "", take, filter: service,
    key: (name) => list.key(name),
    changed: later,
    destroy: () => {
      destroyed = true;
      clearTimeout(timer);
      list.destroy();
    },
  };
}
