// A list of any length: rows are made as they come into view, and keep their elements while they are.
import { el } from "./dom.js";

export class List {
  #rows = []; // [{ key, ... }]
  #made = new Map(); // key -> { element, version }
  #chosen = null; // a key
  #drawing = false;
  #refreshed = 0;

  // draw(row) -> the cells; open(row) on Enter or a click.
  constructor({ label, kind, height, draw, open, choose, empty }) {
    Object.assign(this, { draw, open, choose, height, empty });
    this.space = el("div", { class: "space", role: "presentation" });
    this.note = el("p", { class: "empty", hidden: "" });
    this.grid = el("div", {
      class: `list ${kind}`, role: "region", tabindex: "0", "aria-label": label, scroll: () => this.redraw(),
    }, this.space);
    this.element = this.grid;
    this.grid.append(this.note);
    this.watcher = new ResizeObserver(() => this.redraw());
    this.watcher.observe(this.grid);
  }

  destroy() {
    this.watcher.disconnect();
  }

  // The rows in their order. A row whose content changed is another object.
  set(rows) {
    this.#rows = rows;
    this.redraw();
  }

  get chosen() {
    return this.#rows.find((row) => row.key === this.#chosen) ?? null;
  }

  select(key, show = true) {
    this.#chosen = key;
    const index = this.#rows.findIndex((row) => row.key === key);
    if (show && index >= 0) {
      const height = this.#height();
      const top = index * height;
      const view = this.grid.clientHeight;
      if (top < this.grid.scrollTop) this.grid.scrollTop = top;
      if (top + height > this.grid.scrollTop + view) this.grid.scrollTop = top + height - view;
    }
    this.choose?.(this.chosen);
    this.redraw();
  }

  // Whether the key meant something.
  key(name) {
    const at = this.#rows.findIndex((row) => row.key === this.#chosen);
    const last = this.#rows.length - 1;
    const page = Math.max(1, Math.floor(this.grid.clientHeight / this.#height()) - 1);
    const to = { j: at + 1, ArrowDown: at + 1, k: at - 1, ArrowUp: at - 1, Home: 0, End: last,
      PageDown: at + page, PageUp: at - page }[name];
    if (to !== undefined) {
      if (last >= 0) this.select(this.#rows[Math.min(Math.max(to, 0), last)].key);
      return true;
    }
    if (name === "Enter" && at >= 0) {
      this.open?.(this.#rows[at]);
      return true;
    }
    return false;
  }

  // Draws the rows in view again, at most every other second: they have times that go on.
  refresh() {
    const now = Date.now();
    if (now < this.#refreshed + 2000) return;
    this.#refreshed = now;
    for (const made of this.#made.values()) made.version = null;
    this.redraw();
  }

  redraw() {
    if (this.#drawing) return;
    this.#drawing = true;
    requestAnimationFrame(() => {
      this.#drawing = false;
      this.#draw();
    });
  }

  #height() {
    const rem = parseFloat(getComputedStyle(document.documentElement).fontSize);
    const narrow = window.innerWidth < 60 * rem;
    return Math.round((narrow ? this.height.narrow : this.height.wide) * rem);
  }

  #draw() {
    const height = this.#height();
    const rows = this.#rows;
    this.space.style.height = `${rows.length * height}px`;
    // A grid must have rows.
    this.grid.setAttribute("role", rows.length > 0 ? "grid" : "region");
    if (rows.length > 0) this.grid.setAttribute("aria-rowcount", rows.length);
    else this.grid.removeAttribute("aria-rowcount");
    this.note.hidden = rows.length > 0;
    this.note.textContent = rows.length > 0 ? "" : this.empty();
    const first = Math.max(0, Math.floor(this.grid.scrollTop / height) - 4);
    const end = Math.min(rows.length, first + Math.ceil(this.grid.clientHeight / height) + 8);
    const seen = new Set();
    for (let index = first; index < end; index += 1) {
      const row = rows[index];
      seen.add(row.key);
      let made = this.#made.get(row.key);
      if (!made) {
        made = { element: this.#make(row.key), version: null };
        this.#made.set(row.key, made);
        this.space.append(made.element);
      }
      if (made.version !== row.version) {
        made.version = row.version;
        const cells = this.draw(row);
        for (const cell of cells) cell.setAttribute("role", "gridcell");
        made.element.replaceChildren(...cells);
      }
      const { element } = made;
      element.style.top = `${index * height}px`;
      element.style.height = `${height}px`;
      element.setAttribute("aria-rowindex", index + 1);
      element.classList.toggle("chosen", row.key === this.#chosen);
      element.setAttribute("aria-selected", row.key === this.#chosen);
    }
    for (const [key, made] of this.#made) {
      if (!seen.has(key)) {
        made.element.remove();
        this.#made.delete(key);
      }
    }
    const chosen = this.#made.get(this.#chosen);
    if (chosen) this.grid.setAttribute("aria-activedescendant", chosen.element.id);
    else this.grid.removeAttribute("aria-activedescendant");
  }

  #make(key) {
    const id = `row-${(List.made = (List.made ?? 0) + 1)}`;
    return el("div", {
      class: "row", role: "row", id,
      click: (event) => {
        if (event.target.closest("a, button")) return;
        this.select(key, false);
        const row = this.chosen;
        if (row) this.open?.(row);
      },
    });
  }
}
