// Failover, other directors, announced addresses, and this director itself.
import { command, el, state } from "./dom.js";
import { ago, count, length, now, setting } from "./words.js";

export function directors(page) {
  let head = null;
  const cards = el("div", { class: "cards", tabindex: "0", role: "region", "aria-label": "Directors" },
    el("h1", {}, "Directors"), el("p", {}, "Reading the director."));
  page.root.append(cards);

  function show() {
    if (!head) return;
    const failover = (head.failover ?? []).map(failover_card);
    const peers = (head.peers ?? []).map(peer_card);
    const announce = (head.announce ?? []).map(announce_card);
    const pools = (head.discovered ?? []).slice(0, POOLS).map(pool_card);
    cards.replaceChildren(el("h1", {}, "Directors"), own_card(head), ...failover, ...peers, ...announce, ...pools,
      ...more_pools((head.discovered ?? []).length - POOLS));
  }

  return {
    title: "directors", stream: "", key: () => false,
    take: (name, data) => {
      if (name === "head") {
        head = data;
        show();
      }
    },
    tick: () => {
      // A command that is being copied stays.
      if (!cards.contains(document.activeElement) || document.activeElement === cards) show();
    },
    destroy: () => {},
  };
}

// The most pools that are shown.
const POOLS = 100;

const card = (title, ...parts) => el("section", { class: "card" }, el("h2", {}, title), ...parts);
const line = (text) => el("p", {}, text);

function own_card(head) {
  const sections = count((head.failover ?? []).length, "failover section", "failover sections");
  const others = count((head.peers ?? []).length, "peer", "peers");
  const announced = count((head.announce ?? []).length, "announce section", "announce sections");
  return card("This director",
    line(`file ${head.file}, in force for ${ago(head.loaded ?? now())}`),
    line(`running for ${ago(head.started ?? now())}`),
    line(`${sections}, ${others}, ${announced}`));
}

function failover_card(one) {
  const peer = one.peer
    ? `hears ${one.peer.address}, priority ${one.peer.priority}`
    : "has heard no other router";
  const sent = one.counters;
  return card(`failover ${one.name}`,
    el("p", {}, state(one.role), ` for ${ago(one.since)}: ${one.reason}`),
    line(`priority ${one.priority}${one.priority === one.declared_priority ? "" : ` of ${one.declared_priority}`}; ${peer}`),
    one.hold ? line(one.hold_set ? setting(one.hold, one.hold_set) : `${one.hold} by director`) : null,
    ...one.routers.map((router) => el("p", {}, `${router.interface} id ${router.id}: ${router.addresses.join(", ")}`,
      router.fault ? el("span", { class: "s-fault" }, ` ${router.fault}`) : "")),
    line(`adverts: ${sent.sent} sent, ${sent.received} received, ${sent.late} late; ${count(sent.conflicts, "conflict", "conflicts")}`),
    command(["director", "failover", "switchover", one.name]));
}

function peer_card(one) {
  const resync = one.resync;
  return card(`peer ${one.name}`,
    el("p", {}, state(one.up ? "up" : "down"), ` for ${ago(one.since)}${one.up ? "" : `: ${one.reason}`}`),
    line(`${one.address} port ${one.port}${one.version ? `, version ${one.version}` : ""}`),
    one.holds.length > 0 ? line(`holds ${one.holds.join(", ")}`) : null,
    ...one.differs.map((text) => el("p", { class: "s-degraded" }, `differs: ${text}`)),
    resync ? line(`sync ${ago(resync.at)} ago: ${count(resync.entries, "connection", "connections")} in ${resync.took_ms} ms, ${resync.missing} missing`) : null,
    one.relay ? line(`relay ${one.relay.up ? "up" : "down"} for ${ago(one.relay.since)}: ${count(one.relay.entries, "connection", "connections")}, ${one.relay.refused} refused, ${one.relay.dropped} dropped${one.relay.up ? "" : `; ${one.relay.reason}`}`) : null,
    ...(resync?.refused ?? []).map((text) => line(`refused: ${text}`)));
}

// A pool that finds its servers.
function pool_card(one) {
  const absent = one.absent > 0 ? `, ${one.absent} of them no longer listed` : "";
  const answered = one.answered ? `last answer ${ago(one.answered)} ago` : "no answer since the start";
  return card(`pool ${one.pool}`,
    line(`${one.source}: ${count(one.servers, "server", "servers")}${absent}`),
    line(answered),
    one.refused ? el("p", { class: "s-degraded" }, `the last answer does not count: ${one.refused}`) : null,
    el("p", {}, el("a", { href: "/events?kind=discovered" }, "what changed")));
}

const more_pools = (more) => (more > 0 ? [line(`and ${count(more, "other pool", "other pools")}`)] : []);

function announce_card(one) {
  const { healthy, of, needed, servers } = one.healthy;
  const left = one.until ? ` (${length(one.until - now())} left)` : "";
  return card(`announce ${one.name}`,
    el("p", {}, state(one.state), ` for ${ago(one.since)}: ${one.reason}${left}`),
    line(`${one.addresses.join(", ")} on ${one.interface}${one.in_place ? "" : ", not in place"}`),
    line(`${healthy} of ${of} ${servers ? "servers" : "services"} healthy, ${needed} needed`),
    one.withdrawn ? line(setting("withdrawn", one.withdrawn)) : null,
    one.trouble ? el("p", { class: "s-failed" }, one.trouble) : null,
    command(["director", "announce", one.withdrawn ? "resume" : "withdraw", one.name]));
}
