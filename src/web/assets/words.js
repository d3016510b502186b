// Numbers and times for people.

// 1234 -> "1.2k"
export function short(number) {
  for (const [size, letter] of [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"]]) {
    if (number >= size) return (number / size).toFixed(number < 10 * size ? 1 : 0) + letter;
  }
  return String(number);
}

// Seconds -> "1h 5m"
export function length(seconds) {
  const left = Math.max(0, Math.round(seconds));
  if (left < 60) return `${left}s`;
  if (left < 3600) return `${Math.floor(left / 60)}m ${left % 60}s`;
  if (left < 86400) return `${Math.floor(left / 3600)}h ${Math.floor((left % 3600) / 60)}m`;
  return `${Math.floor(left / 86400)}d ${Math.floor((left % 86400) / 3600)}h`;
}

// "3 servers"
export function count(number, one, many) {
  return `${number} ${number === 1 ? one : many}`;
}

// Milliseconds since 1970 -> local time.
export function clock(ms) {
  const date = new Date(ms);
  const two = (number) => String(number).padStart(2, "0");
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

// The machine's clock differs from the browser's by this, in milliseconds.
let ahead = 0;

export function hear(now) {
  ahead = now - Date.now();
}

// The machine's time in seconds.
export function now() {
  return (Date.now() + ahead) / 1000;
}

export function ago(seconds) {
  return length(now() - seconds);
}

// "drained by root 10m ago: kernel update (1h left)"
export function setting(what, set) {
  const reason = set.reason ? `: ${set.reason}` : "";
  const left = set.until ? ` (${length(set.until - now())} left)` : "";
  return `${what} by ${set.by} ${ago(set.at)} ago${reason}${left}`;
}
