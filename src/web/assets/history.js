// What was: the tables at a time, what changed until then, and the difference between two times.
import { Question, parameters } from "./ask.js";
import { el, state } from "./dom.js";
import { List } from "./list.js";
import { remark_lines, remarks, step_list, step_rows, summary } from "./steps.js";
import { clock, count } from "./words.js";

const RANK = { failed: 0, degraded: 1, leaving: 2, ok: 3 };
const SHOWS = ["tables", "changes", "difference"];
const PAUSE = 250;
const HOUR = 3600;

export function history_view(page) {
  const question = new Question();
  const extent = new Question();
  let span = null; // { begins, now }
  let at = number(page.query.get("at"));
  let from = number(page.query.get("from"));
  let service = page.query.get("service") ?? "";
  let list = null;
  let found = null;
  let trouble = null;
  let timer = null;
  let versions = 0;
  let asked = "";
  const slider = el("input", { type: "range", id: "time", "aria-label": "Time", step: "1", min: "0", max: "1",
    input: () => move(Number(slider.value)) });
  const time = el("input", { type: "datetime-local", step: "1", "aria-label": "Time, exactly",
    change: () => typed(time, move) });
  const earlier = el("input", { type: "datetime-local", step: "1", "aria-label": "Compare with",
    change: () => typed(earlier, (seconds) => compare(seconds)) });
  const show = el("select", { change: () => page.remember({ show: show.value }) },
    ...SHOWS.map((name) => el("option", { value: name }, name)));
  show.value = SHOWS.includes(page.query.get("show")) ? page.query.get("show") : "tables";
  const words = el("input", { type: "search", "aria-label": "Service", placeholder: "Service",
    input: () => choose(words.value.trim()) });
  words.value = service;
  const facts = el("p", { class: "dim", role: "status" }, "Reading the history.");
  const notes = el("div", { class: "notes", role: "region", "aria-label": "Remarks", hidden: "" });
  const body = el("div", { class: "body" });
  const since = el("label", {}, "since", earlier);
  page.root.append(
    el("div", { class: "bar" }, el("h1", {}, "History"), el("label", {}, "Show", show), words,
      el("label", {}, "at", time), since),
    el("div", { class: "bar slider" },
      el("button", { "aria-label": "A minute earlier", click: () => move(at - 60) }, "−1m"),
      slider,
      el("button", { "aria-label": "A minute later", click: () => move(at + 60) }, "+1m")),
    el("div", { class: "bar" }, facts), notes, body,
  );

  const lists = {
    services: () => new List({ label: "Services then", kind: "services", height: { wide: 2.6, narrow: 4 },
      draw: draw_service, open: (row) => choose(row.address), empty }),
    servers: () => new List({ label: "Servers then", kind: "servers", height: { wide: 3.6, narrow: 5.2 },
      draw: draw_server, empty }),
    changes: () => new List({ label: "Changes", kind: "events", height: { wide: 3.4, narrow: 6 },
      draw: draw_change, open: (row) => move(Math.floor(row.at_ms / 1000)), empty }),
    steps: () => step_list("Difference", empty),
  };

  function empty() {
    if (trouble) return trouble;
    if (!found) return "Reading the history.";
    return show.value === "difference" ? "No difference." : "Nothing here.";
  }

  // The list of that kind, a new one if another is there.
  function of_kind(kind) {
    if (list?.kind === kind) return list;
    list?.destroy();
    list = lists[kind]();
    list.kind = kind;
    body.replaceChildren(list.element);
    return list;
  }

  function move(seconds) {
    at = Math.min(Math.max(seconds, span?.begins ?? seconds), span?.now ?? seconds);
    page.remember({ at: String(at) });
  }

  function compare(seconds) {
    from = seconds;
    page.remember({ from: String(from) });
  }

  function choose(word) {
    service = word;
    if (words.value.trim() !== word) words.value = word;
    page.remember({ service: word });
  }

  // Places the controls, and asks after a pause: a slider moves through many times.
  function changed() {
    if (span === null || at === null) return;
    slider.min = span.begins;
    slider.max = span.now;
    slider.value = at;
    slider.setAttribute("aria-valuetext", clock(at * 1000));
    time.value = local(at);
    earlier.value = local(from);
    since.hidden = show.value === "tables";
    if (query().join() === asked) return;
    clearTimeout(timer);
    timer = setTimeout(read, PAUSE);
  }

  // [path, kind of list]
  function query() {
    if (show.value === "difference") return [`/api/history/diff?${parameters({ from: String(from), to: String(at) })}`, "steps"];
    if (show.value === "changes") {
      return [`/api/history?${parameters({ since: String(from), until: String(at), service })}`, "changes"];
    }
    const is_key = /^[a-z0-9]+:\/\//.test(service);
    const asks = parameters({ at: String(at), service: is_key ? service : "" });
    return [`/api/history/at?${asks}`, is_key ? "servers" : "services"];
  }

  function read() {
    const [path, kind] = query();
    asked = [path, kind].join();
    question.ask(path, (answer, why) => {
      trouble = why;
      found = answer;
      of_kind(kind).set(answer ? rows(kind, answer) : []);
      say(kind);
    });
  }

  function rows(kind, answer) {
    versions += 1;
    const keyed = (row, index) => ({ ...row, key: `${versions}-${index}`, version: versions });
    if (kind === "steps") return step_rows(narrowed(answer));
    if (kind === "changes") return answer.rows.reverse().map(keyed);
    if (kind === "servers") return (answer.servers?.rows ?? []).map(keyed);
    const word = service.toLowerCase();
    const fits = (row) => `${row.name} ${row.key}`.toLowerCase().includes(word);
    const sorted = answer.services.filter(fits).sort((one, other) =>
      RANK[one.state] - RANK[other.state] || one.name.localeCompare(other.name));
    return sorted.map((row, index) => keyed({ ...row, address: row.key }, index));
  }

  // The steps of the service that is asked for.
  function narrowed(plan) {
    const word = service.toLowerCase();
    const fits = (step) => `${step.name ?? ""} ${step.service ?? ""}`.toLowerCase().includes(word);
    return { ...plan, steps: plan.steps.filter(fits) };
  }

  function say(kind) {
    facts.textContent = trouble ?? said(kind);
    const lines = trouble ? [] : kind === "steps" ? remarks(found) : past_remarks(found);
    notes.hidden = lines.length === 0;
    if (lines.length > 0) notes.tabIndex = 0;
    else notes.removeAttribute("tabindex");
    notes.replaceChildren(...remark_lines(lines));
  }

  function said(kind) {
    const then = clock(at * 1000);
    if (kind === "steps") return `from ${clock(from * 1000)} to ${then}: ${summary(found)}`;
    if (kind === "changes") {
      const more = found.left_out > 0 ? `; ${count(found.left_out, "earlier one is", "earlier ones are")} not shown` : "";
      return `${count(found.rows.length, "change", "changes")} from ${clock(from * 1000)} to ${then}${more}`;
    }
    const recorded = `as it was at ${then}, recorded ${clock(found.recorded_ms)}`;
    if (kind === "services") return recorded;
    return found.servers ? `${found.servers.name} ${recorded}` : `no service ${service} at ${then}`;
  }

  extent.ask("/api/history/span", (answer, why) => {
    if (!answer) {
      facts.textContent = why;
      return;
    }
    span = { begins: Math.min(answer.begins, answer.now), now: answer.now };
    at = Math.min(Math.max(at ?? span.now, span.begins), span.now);
    from = Math.max(from ?? at - HOUR, span.begins);
    // Absolute, so that the address says the same to a colleague.
    page.remember({ at: String(at), from: String(from) });
  });

  return {
    title: "history", stream: "", filter: words, changed,
    take: () => {},
    key: (name) => {
      if (name === "[" || name === "]") {
        if (at !== null) move(at + (name === "[" ? -60 : 60));
        return true;
      }
      if (name === "Escape" && service) {
        choose("");
        return true;
      }
      return list?.key(name) ?? false;
    },
    destroy: () => {
      question.forget();
      extent.forget();
      clearTimeout(timer);
      list?.destroy();
    },
  };
}

function number(text) {
  return /^\d{1,12}$/.test(text ?? "") ? Number(text) : null;
}

// Seconds -> the value of a field, in local time.
function local(seconds) {
  return clock(seconds * 1000).replace(" ", "T");
}

function typed(field, use) {
  const seconds = Math.floor(new Date(field.value).getTime() / 1000);
  if (Number.isFinite(seconds) && seconds > 0) use(seconds);
}

function draw_service(row) {
  return [
    el("span", {}, state(row.state)),
    el("span", { title: row.address }, el("strong", {}, row.name), " ", el("span", { class: "address dim" }, row.address)),
    el("span", { class: "num up" }, `${row.up} of ${row.declared}`),
    el("span", { class: "why", title: row.why ?? "" }, row.why ?? ""),
    el("span", {}, row.scheduler),
  ];
}

function draw_server(row) {
  const weight = row.weight === null ? `- of ${row.declared_weight}`
    : row.weight === row.declared_weight ? String(row.weight) : `${row.weight} of ${row.declared_weight}`;
  const why = [row.reason];
  if (row.drain) why.push(set_then("drain", row.drain));
  if (row.set) why.push(set_then(`weight ${row.set.weight}`, row.set));
  const text = `${why.join("; ")}; since ${clock(row.since * 1000)}`;
  return [
    el("span", {}, state(row.state)),
    el("span", { title: row.address }, el("strong", {}, row.name ?? row.address), " ",
      el("span", { class: "address dim" }, row.name ? row.address : ""), row.role === "regular" ? "" : ` ${row.role}`),
    el("span", { class: "num", title: "weight, as it was and as declared" }, weight),
    el("span", { class: "why", title: text }, text),
  ];
}

// Who set it and when, by the clock: how long ago depends on the time that is shown.
function set_then(what, set) {
  const reason = set.reason ? `: ${set.reason}` : "";
  const until = set.until ? ` (until ${clock(set.until * 1000)})` : "";
  return `${what} by ${set.by} ${clock(set.at * 1000)}${reason}${until}`;
}

function draw_change(row) {
  const about = [row.service, row.listen, row.name, row.server].filter(Boolean).join(" ");
  const changes = row.changed.map((one) => `${one.what} ${word(one.from)} -> ${word(one.to)}`).join(", ");
  const by = row.operator ? `${row.by} ${row.operator}${row.reason ? `: ${row.reason}` : ""}` : row.by;
  const text = [changes, row.text].filter(Boolean).join(": ");
  return [
    el("span", { class: "num" }, clock(row.at_ms)),
    el("span", {}, row.kind),
    el("span", { class: "about", title: about }, about),
    el("span", { class: "text", title: `${text} (${by})` }, `${text} (${by})`),
  ];
}

function word(value) {
  if (value === null) return "none";
  return typeof value === "string" ? value : JSON.stringify(value);
}

// What the picture of a time says besides its services.
function past_remarks(found) {
  const lines = (found.lost ?? []).map((text) => ["", `the history is damaged: ${text}`]);
  if (found.stopped_ms) lines.push(["bad", `The director had stopped ${clock(found.stopped_ms)}: what came after is not known.`]);
  const head = found.head ?? {};
  if (head.trouble) lines.push(["bad", head.trouble]);
  for (const [address, set] of Object.entries(head.disabled ?? {})) lines.push(["", `${address}: ${set_then("in maintenance", set)}`]);
  for (const [name, role] of Object.entries(head.failover ?? {})) lines.push(["", `failover ${name}: ${role}`]);
  if (head.foreign?.length > 0) lines.push(["", count(head.foreign.length, "service", "services") + " that director did not own"]);
  return lines;
}
