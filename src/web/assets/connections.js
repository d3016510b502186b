// The kernel's connections: which there are, who has the most, and why a client lands where it does.
import { Question, parameters } from "./ask.js";
import { el } from "./dom.js";
import { List } from "./list.js";
import { ago, count, length, now } from "./words.js";

const FIELDS = [["service", "Service"], ["server", "Server"], ["client", "Client or network"], ["state", "State"]];
const TOPS = ["", "clients", "servers", "services"];
const PAUSE = 600;

export function connections(page) {
  const question = new Question();
  const reason = new Question();
  let found = null;
  let trouble = null;
  let read_at = null;
  let timer = null;
  let versions = 0;
  let asked = "";
  const fields = Object.fromEntries(FIELDS.map(([name, label]) => {
    const input = el("input", { type: "search", "aria-label": label, placeholder: label,
      input: () => page.remember({ [name]: input.value }) });
    input.value = page.query.get(name) ?? "";
    return [name, input];
  }));
  const top = el("select", { change: () => page.remember({ top: top.value }) },
    ...TOPS.map((name) => el("option", { value: name }, name ? `most: ${name}` : "each")));
  top.value = TOPS.includes(page.query.get("top")) ? page.query.get("top") : "";
  const facts = el("p", { class: "dim", role: "status" }, "Reading the table.");
  const again = el("button", { click: read }, "Read again");
  const list = new List({
    label: "Connections", kind: "connections", height: { wide: 2.6, narrow: 5.4 },
    draw: (row) => (row.of ? draw_top(row) : draw(row)),
    open,
    empty: () => trouble ?? (found ? "No such connection." : "Reading the table."),
  });
  const panel = el("section", { class: "panel", "aria-label": "Why", tabindex: "0", hidden: "" });
  const of = el("input", { type: "search", "aria-label": "Why: service", placeholder: "Service", name: "of" });
  const who = el("input", { type: "search", "aria-label": "Why: client, with or without port",
    placeholder: "Client[:port]", name: "why" });
  of.value = page.query.get("of") ?? "";
  who.value = page.query.get("why") ?? "";
  const form = el("form", { class: "bar", submit: (event) => {
    event.preventDefault();
    explain(of.value.trim(), who.value.trim());
  } }, el("span", {}, "Why does a client land there?"), of, who, el("button", {}, "Why"));
  page.root.append(
    el("div", { class: "bar" }, el("h1", {}, "Connections"), ...Object.values(fields),
      el("label", {}, "Show", top), again),
    el("div", { class: "bar" }, facts), form, list.element, panel,
  );

  function draw(row) {
    const client = row.template ? `${row.client} (template)` : address(row.client, row.client_port);
    const service = [row.service, row.listen].filter(Boolean).join(" ");
    const server = [row.server_name, row.server].filter(Boolean).join(" ");
    return [
      el("span", { class: "address", title: client }, client),
      el("span", { title: service }, service),
      el("span", { title: server }, server),
      el("span", {}, row.state),
      el("span", { class: "num expires", title: "expires in" }, length(row.expires_seconds)),
    ];
  }

  function draw_top(row) {
    return [
      el("span", { class: "address", title: row.of }, row.of),
      el("span", {}, row.name ?? ""),
      el("span", { class: "num" }, count(row.entries, "entry", "entries")),
    ];
  }

  // A row of a count becomes a filter; a connection is explained.
  function open(row) {
    if (!row.of) {
      explain(row.listen, row.template ? row.client : address(row.client, row.client_port));
      return;
    }
    fields[row.kind].value = row.of;
    top.value = "";
    page.remember({ [row.kind]: row.of, top: "" });
  }

  function explain(service, client) {
    of.value = service;
    who.value = client;
    page.remember({ of: service, why: client });
    read_why();
  }

  function read_why() {
    if (!of.value || !who.value) {
      panel.hidden = true;
      return;
    }
    const query = parameters({ service: of.value.trim(), client: who.value.trim() });
    reason.ask(`/api/why?${query}`, (answers, why) => {
      panel.hidden = false;
      const parts = answers ? answers.map(answer_card) : [el("p", { class: "s-failed" }, why)];
      panel.replaceChildren(el("div", { class: "bar" }, el("h2", {}, `Why ${who.value}`),
        el("button", { click: () => explain("", "") }, "Close")), ...parts);
    });
  }

  function read() {
    clearTimeout(timer);
    const values = Object.fromEntries(Object.entries(fields).map(([name, input]) => [name, input.value.trim()]));
    asked = parameters({ ...values, top: top.value });
    const kind = top.value.slice(0, -1);
    question.ask(`/api/connections?${asked}`, (answer, why) => {
      trouble = why;
      if (answer) {
        found = answer;
        read_at = now();
      }
      // What does not fit the filter is not shown beside it.
      const rows = why ? [] : (answer.rows ?? answer.top.map((row) => ({ ...row, of: row[kind], kind })));
      versions += 1;
      list.set(rows.map((row, index) => ({ ...row, key: `${versions}-${index}`, version: versions })));
      tick();
    });
  }

  function tick() {
    const text = trouble ? `no answer: ${trouble}` : found ? `${said(found)}; read ${ago(read_at)} ago` : "Reading the table.";
    if (facts.textContent !== text) facts.textContent = text;
  }

  read();
  read_why();
  return {
    title: "connections", stream: "", filter: fields.client,
    take: () => {},
    key: (name) => {
      if (name === "Escape" && !panel.hidden) {
        explain("", "");
        return true;
      }
      return list.key(name);
    },
    // The address changed: by a filter, or by the question why.
    changed: () => {
      const values = Object.fromEntries(Object.entries(fields).map(([name, input]) => [name, input.value.trim()]));
      if (parameters({ ...values, top: top.value }) === asked) return;
      clearTimeout(timer);
      timer = setTimeout(read, PAUSE);
    },
    tick,
    destroy: () => {
      question.forget();
      reason.forget();
      clearTimeout(timer);
      list.destroy();
    },
  };
}

function address(host, port) {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

// How much of the table it is.
function said(found) {
  if (found.top) {
    const different = found.different === null ? "more than can be counted" : `of ${found.different} different ones`;
    const missed = found.missed > 0 ? `; a row may be ${found.missed} short` : "";
    return `the first ${found.top.length} ${different}; ${count(found.entries, "entry", "entries")} in the table${missed}`;
  }
  if (!found.end) return `${found.rows.length} shown; the answer was cut off`;
  const { entries, shown, left_out, incomplete } = found.end;
  const more = left_out > 0 ? `, ${left_out} more that fit are not shown: narrow the filter` : "";
  const cut = incomplete ? `; the table was not read to its end: ${incomplete}` : "";
  return `${shown} shown${more}; ${count(entries, "entry", "entries")} in the table${cut}`;
}

function answer_card(one) {
  const chosen = one.chosen
    ? `${one.chosen.name ?? ""} ${one.chosen.server}`.trim()
    : one.among ? "one of several servers" : "no server";
  const service = [one.service, one.listen].filter(Boolean).join(" ");
  const server = (it) => `${it.name ?? ""} ${it.server ?? it}`.trim();
  return el("div", {},
    el("p", {}, el("strong", {}, chosen), ` of ${service}, scheduler ${one.scheduler}: ${one.text}`),
    one.among ? el("p", {}, `can get it: ${one.among.slice(0, 30).map(server).join(", ")}`) : null,
    ...one.open.slice(0, 20).map((it) => el("p", { class: "dim" },
      `open: ${it.client} -> ${it.server} ${it.state}`)),
    one.open.length > 20 || one.open_left_out > 0
      ? el("p", { class: "dim" }, `${Math.max(0, one.open.length - 20) + one.open_left_out} more open connections`) : null,
    ...one.others.slice(0, 30).map((it) => el("p", { class: "dim" },
      `not ${server(it)}: ${it.not}${it.state ? `; ${it.state}: ${it.reason}` : ""}`)),
    one.others.length > 30 ? el("p", { class: "dim" }, `and ${one.others.length - 30} other servers`) : null);
}
