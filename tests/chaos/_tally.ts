/**
 * Judges counters and lists: what must happen once at most, whatever becomes of
 * connections and servers.
 *
 * @module
 */
import {
  checksum,
  type Fate,
  History,
  type Ledger,
  type Span,
} from "./_ledger.ts";

/** How far a counter may count from where it began. */
const RANGE = 1_000_000;

/** A counter that is begun again, from another number, whenever it is gone. */
export class Tally {
  /** The key. */
  readonly key: string;
  readonly #ledger: Ledger;
  readonly #server: number;
  readonly #seen = new Set<number>();
  readonly #begun = new Map<number, { fate: Fate; counted: number }>();
  /** The largest result of every beginning that is over, and the last one. */
  readonly #over = new Map<number, number>();
  #last: Span | undefined = undefined;
  #tried = 0;
  #answered = 0;

  /** Takes a key that was never used before. */
  constructor(ledger: Ledger, key: string, server: number) {
    this.#ledger = ledger;
    this.key = key;
    this.#server = server;
  }

  /** Whether it knows so much that another one should take its place. */
  get worn(): boolean {
    return this.#seen.size > 2000;
  }

  /** A number to begin from, which no other beginning has. */
  begin(): number {
    const base = (this.#begun.size + 1) * RANGE;
    // Those that nobody knows of may still come, and count from here.
    this.#begun.set(base, { fate: "open", counted: this.#answered });
    return base;
  }

  /** Says what a beginning came to. */
  began(base: number, span: Span, fate: Fate): void {
    const beginning = this.#begun.get(base);
    if (beginning !== undefined) beginning.fate = fate;
    if (fate === "done") this.#note(span);
  }

  /** One more `incr` by 1 is made. Gives what `judge` needs. */
  counting(): ReadonlyMap<number, number> {
    this.#tried++;
    return new Map(this.#over);
  }

  /** An `incr` was surely not sent. */
  unsent(): void {
    this.#tried--;
  }

  /** Judges the result of an `incr`, `undefined` for a miss. */
  judge(
    span: Span,
    before: ReadonlyMap<number, number>,
    result: number | undefined,
  ): void {
    this.#ledger.judged++;
    this.#answered++;
    const fault = result === undefined
      ? this.#faultOfMiss(span)
      : this.#faultOf(before, result);
    if (fault !== undefined) {
      this.#ledger.complain(`incr of ${this.key}: ${fault}`);
    }
    if (result === undefined) return;
    this.#note(span);
    this.#seen.add(result);
    const base = Math.floor(result / RANGE) * RANGE;
    this.#over.set(base, Math.max(this.#over.get(base) ?? 0, result));
  }

  #note(span: Span): void {
    if (span.from > (this.#last?.from ?? 0)) this.#last = span;
  }

  #faultOfMiss(span: Span): string | undefined {
    if (!this.#ledger.strict || this.#last === undefined) return undefined;
    const kept = this.#ledger.kept(this.#server, span.to);
    return this.#last.from > kept && this.#last.to < span.from
      ? "lost the counter"
      : undefined;
  }

  #faultOf(
    before: ReadonlyMap<number, number>,
    result: number,
  ): string | undefined {
    const base = Math.floor(result / RANGE) * RANGE;
    const beginning = this.#begun.get(base);
    if (beginning === undefined || beginning.fate === "never") {
      return `${result} comes from no beginning`;
    }
    if (this.#seen.has(result)) return `${result} was given twice`;
    const least = before.get(base) ?? base;
    if (result <= least) return `${result} after ${least}`;
    const most = base + this.#tried - beginning.counted;
    return result > most
      ? `${result} where at most ${most} can have been counted`
      : undefined;
  }
}

/** A text that grows by `append`, one record after another. */
export class Chain {
  /** What stores the first record. */
  readonly head: History;
  readonly #ledger: Ledger;
  readonly #fates: Array<Span & { fate: Fate }> = [];

  /** Takes a key that was never used before. */
  constructor(ledger: Ledger, key: string, server: number) {
    this.#ledger = ledger;
    this.head = new History(ledger, key, server);
  }

  /** How many records were appended, or tried to be. */
  get length(): number {
    return this.#fates.length;
  }

  /** The next record. */
  record(): string {
    return recordOf(this.head.key, this.#fates.length + 1);
  }

  /** Says what the next record came to. */
  appended(span: Span, fate: Fate): void {
    this.#fates.push({ ...span, fate });
  }

  /** Judges what a read found; `undefined` for a miss. */
  judge(span: Span, found: unknown): void {
    if (typeof found !== "string") return this.head.judge(span, found, "get");
    const end = found.indexOf("[");
    const head = end < 0 ? found : found.slice(0, end);
    this.head.judge(span, head, "get");
    const fault = this.#faultOf(span, end < 0 ? "" : found.slice(end));
    if (fault !== undefined) {
      this.#ledger.complain(`get of ${this.head.key}: ${fault}`);
    }
  }

  #faultOf(span: Span, text: string): string | undefined {
    const { key, server } = this.head;
    const seen = new Set<number>();
    const records = text.match(/\[[^\]]*\]?/g) ?? [];
    for (const record of records) {
      const number = Number(record.split(" ")[1]);
      if (record !== recordOf(key, number)) return `found record ${record}`;
      if (seen.has(number)) return `record ${number} was appended twice`;
      seen.add(number);
      const fate = this.#fates[number - 1]?.fate;
      // The last one may be on its way while others read.
      if (fate === "never" || number > this.#fates.length + 1) {
        return `record ${number} was appended by nobody (${fate})`;
      }
    }
    const kept = this.#ledger.kept(server, span.to);
    const lost = this.#fates.findIndex(({ fate, from, to }, i) =>
      fate === "done" && from > kept && to < span.from && !seen.has(i + 1)
    );
    return lost >= 0 && this.#ledger.strict
      ? `lost record ${lost + 1}`
      : undefined;
  }
}

function recordOf(key: string, number: number): string {
  return `[${key} ${number} ${checksum(`${key} ${number}`)}]`;
}
