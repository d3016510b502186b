// All services, those in trouble first.
import { spark } from "./chart.js";
import { el, state } from "./dom.js";
import { List } from "./list.js";
import { count, short } from "./words.js";

const RANK = { failed: 0, degraded: 1, leaving: 2, ok: 3 };
const SORTS = {
  trouble: (one, other) => RANK[one.state] - RANK[other.state],
  name: () => 0,
  connections: (one, other) => (other.flow?.[0] ?? -1) - (one.flow?.[0] ?? -1),
  new: (one, other) => (other.flow?.[1] ?? -1) - (one.flow?.[1] ?? -1),
  bytes: (one, other) => (other.flow?.[2] ?? -1) - (one.flow?.[2] ?? -1),
};
const POINTS = 60;

export function overview(page) {
  const rows = new Map();
  let loaded = false;
  let versions = 0;
  const summary = el("p", { class: "dim" });
  const filter = el("input", {
    type: "search", "aria-label": "Filter services", placeholder: "Filter: name, address, state",
    input: () => page.remember({ filter: filter.value }),
  });
  filter.value = page.query.get("filter") ?? "";
  const sort = el("select", { change: () => page.remember({ sort: sort.value }) },
    ...Object.keys(SORTS).map((name) => el("option", { value: name }, name)));
  sort.value = SORTS[page.query.get("sort")] ? page.query.get("sort") : "trouble";
  const list = new List({
    label: "Services", kind: "services", height: { wide: 2.6, narrow: 4 },
    draw,
    open: (row) => page.go(path(row)),
    empty: () => (loaded ? "No service here." : "Reading the services."),
  });
  page.root.append(
    el("div", { class: "bar" }, el("h1", {}, "Services"), summary, filter, el("label", {}, "Sort", sort)),
    list.element,
  );

  function draw(row) {
    const [connections, fresh, bytes] = row.flow ?? [];
    const number = (name, value, unit) =>
      el("span", { class: `num ${name}` }, value === undefined ? "-" : `${short(value)}${unit}`);
    return [
      el("span", {}, state(row.state)),
      el("span", { title: row.key }, el("a", { href: path(row), tabindex: "-1" }, row.name), " ",
        el("span", { class: "address dim" }, row.key)),
      el("span", { class: "num up" }, `${row.up} of ${row.declared}`),
      el("span", { class: "why", title: row.why ?? "" }, row.why ?? ""),
      number("connections", connections, " conn"),
      number("rate", fresh, "/s"),
      number("bytes", bytes, "B/s"),
      spark(row.spark),
    ];
  }

  function show() {
    const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    const fits = (row) => words.every((word) => row.words.includes(word));
    const shown = [...rows.values()].filter(fits);
    const by = SORTS[sort.value];
    shown.sort((one, other) => by(one, other) || one.name.localeCompare(other.name) ||
      (one.key < other.key ? -1 : 1));
    list.set(shown);
  }

  function replace(row) {
    const before = rows.get(row.key);
    const words = [row.name, row.key, row.state, row.scheduler, ...Object.keys(row.states), row.why ?? ""];
    rows.set(row.key, { flow: before?.flow, spark: before?.spark, ...row, words: words.join(" ").toLowerCase(),
      version: (versions += 1) });
  }

  function take(name, data) {
    if (name === "head") {
      const of = (states) => Object.entries(states).map(([word, many]) => `${many} ${word}`).join(", ") || "none";
      summary.textContent = `services: ${of(data.summary.services)}; servers: ${of(data.summary.servers)}`;
    } else if (name === "services") {
      loaded = true;
      if (data.full) rows.clear();
      for (const key of data.gone) rows.delete(key);
      data.rows.forEach(replace);
      show();
    } else if (name === "flows") {
      for (const row of rows.values()) {
        const flow = data.rows[row.key] ?? row.flow;
        if (!flow) continue;
        const moved = data.full ? data.spark[row.key] : [...(row.spark ?? []), flow[1]].slice(-POINTS);
        const idle = !data.rows[row.key] && !moved?.some((number) => number > 0);
        rows.set(row.key, { ...row, flow, spark: moved, version: idle ? row.version : (versions += 1) });
      }
      show();
    }
  }

  return {
    title: "overview", stream: "?of=overview", take, filter,
    key: (name) => list.key(name),
    changed: show,
    destroy: () => list.destroy(),
    label: () => count(rows.size, "service", "services"),
  };
}

const path = (row) => `/service/${encodeURIComponent(row.key)}`;
