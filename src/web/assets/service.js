// A service with its servers.
import { chart } from "./chart.js";
import { command, el, state } from "./dom.js";
import { List } from "./list.js";
import { ago, count, length, now, setting, short } from "./words.js";

const WORST = ["panic", "down", "held", "pending", "disabled", "drained", "warming", "leaving", "standby", "up"];
const OUT = ["drained", "disabled", "leaving"];
const POINTS = 120;
// A forecast follows the last minute.
const MEMORY = 60;

export function service(page, key) {
  const rows = new Map();
  let head = null;
  let points = [];
  let absent = null;
  let versions = 0;
  const name = el("h1", {}, key);
  const facts = el("p", { class: "dim" });
  const filter = el("input", {
    type: "search", "aria-label": "Filter servers", placeholder: "Filter: name, address, state",
    input: () => page.remember({ filter: filter.value }),
  });
  filter.value = page.query.get("filter") ?? "";
  const charts = el("div", { class: "charts" });
  const panel = el("section", { class: "panel", "aria-label": "Server", tabindex: "0", hidden: "" });
  let chosen = page.query.get("server");
  const list = new List({
    label: "Servers", kind: "servers", height: { wide: 3.6, narrow: 6.8 },
    draw,
    open: (row) => choose(row.key),
    empty: () => absent ?? (head ? "No server here." : "Reading the service."),
  });
  page.root.append(
    el("div", { class: "bar" }, el("a", { href: "/" }, "Services"), name, facts, filter,
      el("a", { href: `/events?service=${encodeURIComponent(key)}` }, "Events")),
    charts, list.element, panel,
  );

  function draw(row) {
    const [connections, fresh, bytes] = row.flow ?? [];
    const number = (kind, value, unit) =>
      el("span", { class: `num ${kind}` }, value === undefined ? "-" : `${short(value)}${unit}`);
    return [
      el("span", {}, state(row.state)),
      el("span", { title: row.address }, el("strong", {}, row.name ?? row.address), " ",
        el("span", { class: "address dim" }, row.name ? row.address : ""), row.role === "regular" ? "" : ` ${row.role}`),
      el("span", { class: "num", title: "weight, as it is and as declared" }, weight(row)),
      el("span", { class: "why", title: why(row) }, `${why(row)}; for ${ago(row.state_since)}`),
      checks(row),
      number("connections", connections, " conn"),
      number("rate", fresh, "/s"),
      number("bytes", bytes, "B/s"),
    ];
  }

  function choose(address) {
    chosen = address;
    page.remember({ server: address ?? "" });
    list.select(address, false);
    detail();
  }

  function detail() {
    const row = rows.get(chosen);
    panel.hidden = !row;
    if (!row) return;
    // A button that has the focus keeps it: the commands change with the state only.
    const kind = `${row.key} ${row.state} ${row.drain ? "drain" : ""} ${row.weight_set ? "weight" : ""}`;
    const live = el("div", { class: "live" }, ...live_parts(row));
    if (panel.dataset.kind === kind) {
      panel.querySelector(".live").replaceWith(live);
      return;
    }
    panel.dataset.kind = kind;
    panel.replaceChildren(
      el("div", { class: "bar" }, el("h2", {}, `${row.name ?? ""} ${row.address}`),
        el("button", { click: () => choose(null) }, "Close")),
      live, ...commands(row),
    );
  }

  function live_parts(row) {
    return [
      el("p", {}, state(row.state), ` for ${ago(row.state_since)}, weight ${weight(row)}: ${why(row)}`),
      progress(row),
      el("div", { class: "wide" }, el("table", {}, el("thead", {}, el("tr", {},
        ...["check", "last result", "took", "in a row", "passed", "failed"].map((text) => el("th", {}, text)))),
      el("tbody", {}, ...row.checks.map(check)))),
    ];
  }

  function commands(row) {
    const server = row.name ?? row.address;
    const of = head?.name ?? key;
    if (row.state === "leaving") return [];
    const drain = row.drain
      ? command(["director", "undrain", of, server])
      : command(["director", "drain", of, server, "--reason", "why"]);
    const heavier = row.weight_set
      ? command(["director", "weight", of, server, "declared"])
      : command(["director", "weight", of, server, String(row.declared_weight)]);
    const host = row.address.replace(/:\d+$/, "").replace(/^\[|\]$/g, "");
    const maintenance = row.state === "disabled"
      ? command(["director", "enable", host])
      : command(["director", "disable", host, "--reason", "why"]);
    return [el("p", { class: "dim" }, "On the director's machine:"), drain, heavier, maintenance];
  }

  function progress(row) {
    if (!OUT.includes(row.state) || !row.flow || row.weight === null) return null;
    const { text, done } = forecast(row.seen);
    return el("p", {}, el("progress", { max: "100", value: String(done), "aria-label": "drain progress" }), " ", text);
  }

  function show() {
    const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    const text = (row) => `${row.name ?? ""} ${row.address} ${row.state} ${row.role} ${row.reason}`.toLowerCase();
    const shown = [...rows.values()].filter((row) => words.every((word) => text(row).includes(word)));
    const rank = (row) => WORST.indexOf(row.state);
    shown.sort((one, other) => rank(one) - rank(other) || one.place - other.place);
    list.set(shown);
    detail();
  }

  function take(kind, data) {
    if (kind === "service") take_service(data);
    else if (kind === "chart") plot((points = data));
    else if (kind === "point") plot((points = [...points, data].slice(-POINTS)));
  }

  function take_service(data) {
    absent = data.absent ?? null;
    if (absent) {
      rows.clear();
      head = null;
      facts.textContent = absent;
      show();
      return;
    }
    if (data.head) {
      head = data.head;
      name.replaceChildren(state(head.state), ` ${head.name} `, el("span", { class: "address dim" }, head.listen));
      facts.textContent = about(head);
      page.title(head.name);
    }
    const before = new Map(rows);
    if (data.full) rows.clear();
    for (const address of data.gone) rows.delete(address);
    for (const row of data.rows) {
      const seen = (before.get(row.address)?.seen ?? []).filter(([at]) => at > now() - MEMORY);
      if (row.flow) seen.push([now(), row.flow[0]]);
      rows.set(row.address, { ...row, key: row.address, seen, version: (versions += 1) });
    }
    show();
    if (data.full && chosen) list.select(chosen);
  }

  function plot() {
    charts.replaceChildren(
      chart("Connections", points.map((point) => point[1]), short),
      chart("New a second", points.map((point) => point[2]), short),
      chart("Bytes a second", points.map((point) => point[3]), (bytes) => `${short(bytes)}B`),
    );
  }

  plot();
  return {
    title: key, stream: `?service=${encodeURIComponent(key)}`, take, filter,
    key: (pressed) => {
      if (pressed === "Escape") {
        if (chosen) choose(null);
        else page.go("/");
        return true;
      }
      return list.key(pressed);
    },
    changed: show,
    // Times go on without news.
    tick: () => {
      detail();
      list.refresh();
    },
    destroy: () => list.destroy(),
  };
}

function about(head) {
  const parts = [`${head.up} of ${head.declared} up`, head.scheduler];
  if (head.persistence) parts.push(`persistence ${length(head.persistence)}`);
  if (head.min_healthy) parts.push(`at least ${head.min_healthy} stay in`);
  if (head.panic) parts.push("too few are up, so servers that are down stay in");
  if (head.quorum) {
    const { weight, needed, lost } = head.quorum;
    parts.push(`quorum ${weight} of ${needed}${lost ? ", lost" : ""}`);
  }
  if (head.leaving) parts.push("no longer declared");
  return parts.join(" · ");
}

function weight(row) {
  if (row.weight === null) return `- of ${row.declared_weight}`;
  return row.weight === row.declared_weight ? String(row.weight) : `${row.weight} of ${row.declared_weight}`;
}

// The reason, who, and until when: as `director status` says it.
function why(row) {
  const words = [];
  if (row.drain && row.state === "drained") words.push(setting("drained", row.drain));
  else words.push(row.reason + (row.until ? ` (${length(row.until - now())} left)` : ""));
  if (row.drain && row.state !== "drained") words.push(setting("drain", row.drain));
  if (row.weight_set) words.push(setting(`weight ${row.weight_set.weight}`, row.weight_set));
  for (const one of row.checks) {
    const text = one.text ?? "failed";
    if (one.not_checked) {
      words.push(`${one.kind} not checked for ${ago(one.not_checked.since)}: ${one.not_checked.reason}`);
    } else if (one.passed === false && !row.reason.endsWith(text)) words.push(`${one.kind}: ${text}`);
  }
  return words.join("; ");
}

// Each check's last result, how long it took, and how often in a row it was the same.
function checks(row) {
  const text = row.checks.map((one) => `${one.kind} ${result(one)} in ${one.took_ms} ms, ${one.streak} in a row`);
  const full = row.checks.map((one) => `${one.kind}: ${one.text ?? result(one)}`);
  return el("span", { class: "checks dim", title: full.join("\n") }, text.join("; ") || "not checked");
}

const result = (one) => (one.passed === null ? "not yet" : one.passed ? "passed" : "failed");

function check(one) {
  const passed = result(one);
  return el("tr", {}, ...[
    one.kind, `${passed}${one.text ? `: ${one.text}` : ""}`, `${one.took_ms} ms`, String(one.streak),
    String(one.successes), String(one.failures),
  ].map((text) => el("td", {}, text)));
}

// When a server that gets no new clients has none left, at the pace of the last minute.
export function forecast(seen) {
  const [first, last] = [seen[0], seen[seen.length - 1]];
  if (!last || last[1] === 0) return { text: "no connection left", done: 100 };
  const left = count(last[1], "connection", "connections");
  const ended = first[1] - last[1];
  const most = Math.max(...seen.map(([, connections]) => connections));
  const done = Math.round((100 * (most - last[1])) / most);
  if (ended <= 0 || last[0] - first[0] < 3) return { text: `${left} left; no forecast yet`, done };
  const seconds = (last[1] * (last[0] - first[0])) / ended;
  return { text: `${left} left; about ${length(seconds)} at the pace of the last minute`, done };
}
