// Which view, its stream, keys, and what is wrong with the director as a whole.
import { connections } from "./connections.js";
import { directors } from "./directors.js";
import { el } from "./dom.js";
import { events } from "./events.js";
import { history_view } from "./history.js";
import { overview } from "./overview.js";
import { plan } from "./plan.js";
import { service } from "./service.js";
import { Stream } from "./stream.js";
import { setting } from "./words.js";

const main = document.getElementById("main");
const age = document.getElementById("age");
const alarms = document.getElementById("alarms");
const help = document.getElementById("help");
let view = null;
let stream = null;
let head = null;
let alarmed = "";

function open() {
  view?.destroy();
  stream?.close();
  head = null;
  main.replaceChildren();
  const url = new URL(location.href);
  const page = {
    root: main,
    query: url.searchParams,
    go,
    title: (text) => { document.title = `${text} - director`; },
    // Keeps a choice in the address, so that it can be sent to a colleague.
    remember: (choice) => {
      const now = new URL(location.href);
      for (const [key, value] of Object.entries(choice)) {
        if (value) now.searchParams.set(key, value);
        else now.searchParams.delete(key);
      }
      history.replaceState(null, "", now);
      view?.changed?.();
    },
  };
  const [, kind, key] = url.pathname.split("/");
  view = null;
  const views = { events, directors, history: history_view, connections, plan };
  if (kind === "service") view = service(page, decodeURIComponent(key ?? ""));
  else view = (views[kind] ?? overview)(page);
  page.title(view.title);
  for (const link of document.querySelectorAll("nav a")) {
    const here = new URL(link.href).pathname === `/${kind === "service" ? "" : kind}`;
    if (here) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  stream = new Stream(view.stream, (name, data) => {
    if (name === "head") {
      head = data;
      alarm();
    }
    view.take(name, data);
  });
}

function go(path) {
  history.pushState(null, "", path);
  open();
  main.focus();
}

// What an operator must see on each view.
function alarm() {
  const found = [];
  if (head.trouble) found.push(["bad", head.trouble]);
  if (head.rejected) found.push(["bad", `The newer service file is rejected:\n${head.rejected}`]);
  for (const one of head.drift) found.push(["", `Differs from the file: ${one.service ?? ""} ${one.text}`]);
  for (const one of head.disabled) found.push(["", `${one.address}: ${setting("in maintenance", one)}`]);
  if (head.lacking.length > 0) found.push(["", `This kernel lacks ${head.lacking.join(", ")}`]);
  for (const one of head.peers ?? []) if (!one.up) found.push(["", `Peer ${one.name}: ${one.reason}`]);
  for (const one of head.failover ?? []) {
    if (one.role === "fault") found.push(["bad", `Failover ${one.name}: ${one.reason}`]);
  }
  for (const one of head.announce ?? []) if (one.trouble) found.push(["bad", `Announce ${one.name}: ${one.trouble}`]);
  for (const one of (head.discovered ?? []).slice(0, 20)) {
    if (one.refused) found.push(["", `Pool ${one.pool}: the last answer does not count: ${one.refused}`]);
  }
  const text = JSON.stringify(found);
  if (text === alarmed) return;
  alarmed = text;
  const attributes = (level) => (level ? { class: level } : {});
  alarms.replaceChildren(...found.map(([level, words]) => el("p", attributes(level), words)));
  if (found.length > 0) alarms.tabIndex = 0;
  else alarms.removeAttribute("tabindex");
}

function tick() {
  const { text, old } = stream.age();
  if (age.textContent !== text) age.textContent = text;
  age.classList.toggle("old", old);
  view.tick?.();
}

document.addEventListener("click", (event) => {
  const link = event.target.closest("a");
  if (!link || event.defaultPrevented || event.button !== 0) return;
  if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  if (link.origin !== location.origin) return;
  event.preventDefault();
  go(link.pathname + link.search);
});

document.addEventListener("keydown", (event) => {
  if (event.metaKey || event.ctrlKey || event.altKey || help.open) return;
  const typing = event.target.closest?.("input, select, textarea");
  if (typing) {
    if (event.key === "Escape" || (event.key === "Enter" && typing === view.filter)) {
      typing.blur();
      document.querySelector(".list")?.focus();
      event.preventDefault();
    }
    return;
  }
  // A button or link does what it says.
  if (event.key === "Enter" && event.target.closest?.("a, button")) return;
  const path = { 1: "/", 2: "/events", 3: "/directors", 4: "/history", 5: "/connections", 6: "/plan" }[event.key];
  if (path) go(path);
  else if (event.key === "?") help.showModal();
  else if (event.key === "/" && view.filter) view.filter.focus();
  else if (!view.key(event.key)) return;
  event.preventDefault();
});

document.getElementById("keys").addEventListener("click", () => help.showModal());
window.addEventListener("popstate", open);
setInterval(tick, 500);

// Only with a token is there something to log out from: without, /login leads back to the page.
fetch("/login", { redirect: "manual" }).then((answer) => {
  document.getElementById("logout").hidden = answer.type === "opaqueredirect";
}).catch(() => {});

open();
