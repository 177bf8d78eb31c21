// What the page knows about its rooms, apart from how it looks.
//
// Every event of a room carries a number from the server, "seq". Events may overtake each other on their
// way here (a message can arrive before the history that contains it), so the numbers decide: messages
// are kept in their order, and of two things said about one person the later one holds.

const KEEP = 500; // entries per room; older ones are dropped
const KEEP_GONE = 500; // people who left, remembered in case that old news of them comes late

export class Room {
  entries = []; // messages, and notes on who came and went, in the order of seq
  pending = new Map(); // ref -> message of ours that the server has not confirmed
  typing = new Map(); // userId -> {name, until}
  unread = 0;
  draft = "";
  you = ""; // our own id in this room while we are in it
  #people = new Map(); // userId -> {name, here, seq}
  #seen = new Set(); // seq of every entry

  constructor(name) {
    this.name = name;
  }

  /** Adds messages or notes. Returns those that are new here. */
  add(entries) {
    const fresh = entries.filter((entry) => !this.#seen.has(entry.seq));
    if (fresh.length === 0) return fresh;
    for (const entry of fresh) {
      this.#seen.add(entry.seq);
      if (entry.ref) this.pending.delete(entry.ref);
      this.typing.delete(entry.userId);
    }
    this.entries = [...this.entries, ...fresh].sort((a, b) => a.seq - b.seq);
    for (const old of this.entries.splice(0, this.entries.length - KEEP)) this.#seen.delete(old.seq);
    return fresh;
  }

  /** The whole list of members, as it was at seq. */
  setPeople({ you, seq, members }) {
    this.you = you;
    for (const [id, person] of this.#people) if (person.seq < seq) this.#people.delete(id);
    for (const { userId, name } of members) this.#note(userId, name, true, seq);
  }

  /** One person came or changed the name. Returns the name before, if the person was here already. */
  joined({ userId, name, seq }) {
    const before = this.#people.get(userId);
    this.#note(userId, name, true, seq);
    return before?.here ? before.name : undefined;
  }

  left({ userId, name, seq }) {
    this.#note(userId, name, false, seq);
    this.typing.delete(userId);
    const gone = [...this.#people].filter(([, person]) => !person.here);
    for (const [id] of gone.slice(0, -KEEP_GONE)) this.#people.delete(id);
  }

  /** We are no longer in the room: the connection is gone. */
  reset() {
    this.you = "";
    this.#people.clear();
    this.typing.clear();
  }

  people() {
    return [...this.#people]
      .filter(([, person]) => person.here)
      .map(([userId, { name }]) => ({ userId, name }))
      .sort((a, b) => a.name.localeCompare(b.name) || a.userId.localeCompare(b.userId));
  }

  typists(now) {
    for (const [id, { until }] of this.typing) if (until <= now) this.typing.delete(id);
    return [...this.typing.values()].map(({ name }) => name);
  }

  #note(userId, name, here, seq) {
    const known = this.#people.get(userId);
    if (!known || known.seq <= seq) this.#people.set(userId, { name, here, seq });
  }
}
