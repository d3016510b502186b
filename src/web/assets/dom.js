// Elements. Text becomes a text node, always: it may come from a server that is checked.

export function el(name, attributes = {}, ...children) {
  return fill(document.createElement(name), attributes, children);
}

export function svg(name, attributes = {}, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", name), attributes, children);
}

function fill(element, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(key, value);
    else if (value !== null && value !== undefined) element.setAttribute(key, value);
  }
  // Strings become text nodes.
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

// A state, by its word and by colour and shape.
export function state(word) {
  return el("span", { class: `state s-${word.replace(/[^a-z-]/g, "")}` }, word);
}

// A command to type on the machine, with a button that copies it.
export function command(words) {
  const text = words.map(quoted).join(" ");
  const button = el("button", { click: () => copy(text, button) }, "Copy");
  return el("div", { class: "command" }, el("code", {}, text), button);
}

async function copy(text, button) {
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch {
    // Without TLS, browsers allow it on this machine only.
    button.textContent = "Select it and copy";
  }
}

// A word of a shell.
export function quoted(word) {
  return /^[\w@%+=:,.\/-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
