// The one stream of this page. The browser reconnects by itself and says which news it has; after a
// refusal (too many pages, no session) it does not, so this does.
import { hear } from "./words.js";

const NAMES = ["head", "services", "flows", "service", "chart", "point", "event", "missed"];
const RETRY = 5000;

export class Stream {
  #source = null;
  #timer = null;
  #last = null; // { at, now, why }: what the last beat said
  #heard = null; // when that was
  #closed = false;

  constructor(query, take) {
    this.query = query;
    this.take = take;
    this.#open();
  }

  #open() {
    const source = new EventSource(`/api/stream${this.query}`);
    this.#source = source;
    for (const name of NAMES) {
      source.addEventListener(name, (message) => {
        this.#heard = Date.now();
        this.take(name, JSON.parse(message.data));
      });
    }
    source.addEventListener("beat", (message) => {
      this.#last = JSON.parse(message.data);
      this.#heard = Date.now();
      hear(this.#last.now);
    });
    source.addEventListener("error", () => {
      if (source.readyState === EventSource.CLOSED && !this.#closed) {
        clearTimeout(this.#timer);
        this.#timer = setTimeout(() => this.#retry(), RETRY);
      }
    });
  }

  async #retry() {
    const answer = await fetch("/api/events?last=1").catch(() => null);
    if (this.#closed) return;
    if (answer?.status === 401) location.reload(); // Leads to the form.
    else this.#open();
  }

  close() {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#source.close();
  }

  // How old what you see is: { text, old }.
  age() {
    if (this.#heard === null) return { text: "connecting", old: false };
    const silent = (Date.now() - this.#heard) / 1000;
    if (silent > 4) return { text: `director web has not answered for ${Math.round(silent)}s`, old: true };
    const { at, now, why } = this.#last ?? {};
    if (at === undefined) return { text: "connecting", old: false };
    if (at === null) return why ? { text: `no answer: ${why}`, old: true } : { text: "connecting", old: false };
    const since = (now - at) / 1000 + silent;
    if (why || since > 5) {
      const time = new Date(at).toLocaleTimeString();
      return { text: `director has not answered since ${time}${why ? `: ${why}` : ""}`, old: true };
    }
    return { text: "live", old: false };
  }
}
