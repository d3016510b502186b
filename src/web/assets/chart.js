// Lines, as SVG.
import { el, svg } from "./dom.js";

// A line through numbers from left to right, as high as the box for the largest.
function line(numbers, most, name = "line") {
  const step = 100 / Math.max(1, numbers.length - 1);
  const points = numbers.map((number, index) => {
    const y = 29 - (28 * number) / Math.max(1, most);
    return `${(index * step).toFixed(2)},${y.toFixed(2)}`;
  });
  return svg("polyline", { class: name, points: points.join(" ") });
}

export function spark(numbers) {
  if (!numbers?.some((number) => number > 0)) return el("span", { class: "spark" });
  const picture = svg("svg", { viewBox: "0 0 100 30", preserveAspectRatio: "none", "aria-hidden": "true" },
    line(numbers, Math.max(...numbers)));
  return el("span", { class: "spark" }, picture);
}

// A chart with its caption: the newest number, and the largest.
export function chart(label, numbers, shown) {
  const most = Math.max(0, ...numbers);
  const newest = numbers.length > 0 ? shown(numbers[numbers.length - 1]) : "-";
  const picture = svg("svg", {
    viewBox: "0 0 100 30", preserveAspectRatio: "none", role: "img",
    "aria-label": `${label}: ${newest} now, ${shown(most)} at most`,
  }, line(numbers, most));
  return el("figure", {}, el("figcaption", {}, el("span", {}, `${label}: ${newest}`),
    el("span", {}, `max ${shown(most)}`)), picture);
}
