// One question at a time to `director web`; the answer to an earlier question counts no more.

export class Question {
  #asked = 0;

  // Calls `take(found, trouble)` with one of them, unless another question was asked by then.
  async ask(path, take) {
    const mine = (this.#asked += 1);
    const answer = await fetch(path).catch(() => ({ ok: false }));
    const found = await answer.json?.().catch(() => null);
    if (mine !== this.#asked) return;
    if (answer.ok && found) take(found, null);
    else take(null, found?.error?.message ?? "no answer");
  }

  // No answer counts any more.
  forget() {
    this.#asked += 1;
  }
}

// Parameters without those that are empty.
export function parameters(values) {
  const query = new URLSearchParams();
  for (const [key, value] of Object.entries(values)) if (value) query.set(key, value);
  return query.toString();
}
