/**
 * Judges what comes back from servers that are killed and frozen meanwhile:
 * every value tells its key and version, and a history of each key says which
 * versions may be there.
 *
 * A history has one writer, who waits for the end of each step. What a step
 * came to decides what may be read later:
 *
 * - done: it was acknowledged. What came before is gone, until the server is
 *   killed.
 * - unknown: sent, and never acknowledged. It may show at any time, even after
 *   later steps: a server that was frozen reads old connections when it wakes.
 * - never: surely not sent, or refused. It must not show, ever.
 *
 * A kill empties a server. What was over when it began must not show after it.
 *
 * @module
 */

/** What a step came to; `open` as long as that is not known. */
export type Fate = "open" | "done" | "unknown" | "never";

/** One change of one key. */
export interface Step {
  /** The number of the change, from 1. */
  readonly version: number;
  /** Length of the value's padding; `undefined`: the key was deleted. */
  readonly size: number | undefined;
  /** When it began. */
  readonly from: number;
  /** When it ended. */
  to: number;
  /** What it came to. */
  fate: Fate;
}

/** When a call began and ended, by the ledger's clock. */
export interface Span {
  /** When it began. */
  readonly from: number;
  /** When it ended. */
  readonly to: number;
}

/** The end of one server process. */
interface Kill {
  readonly begin: number;
  end: number;
}

/** Everything that was written, and whatever happened to the servers. */
export class Ledger {
  /** Every complaint: there is to be none. */
  readonly wrong: string[] = [];
  /** How many results were held against the histories. */
  judged = 0;
  /**
   * Whether a key stays with its server. If not, values may be old: they still
   * have to be whole, of their key, and sent once.
   */
  readonly strict: boolean;
  readonly #kills: Kill[][];
  #clock = 0;

  /** Takes the number of servers. */
  constructor(servers: number, strict: boolean = true) {
    this.#kills = Array.from({ length: servers }, () => []);
    this.strict = strict;
  }

  /** The next moment: no two things happen at the same. */
  tick(): number {
    return ++this.#clock;
  }

  /** Notes that a server is about to be killed; call back once it is dead. */
  killing(server: number): () => void {
    const kill = { begin: this.tick(), end: Infinity };
    this.#kills[server].push(kill);
    return () => {
      kill.end = this.tick();
    };
  }

  /** Notes a wrong result. */
  complain(text: string): void {
    this.wrong.push(text);
  }

  /** What was over before this moment cannot be seen by a call from `from` on. */
  forgotten(server: number, from: number): number {
    return this.#kills[server].findLast(({ end }) => end <= from)?.begin ?? -1;
  }

  /** What began after this moment cannot have been lost before `to`. */
  kept(server: number, to: number): number {
    return this.#kills[server].findLast(({ begin }) => begin <= to)?.end ?? -1;
  }
}

/** The changes of one key, by one writer. */
export class History {
  /** The key. */
  readonly key: string;
  /** The number of the server that has it. */
  readonly server: number;
  /** How many steps ended with nobody knowing whether they were done. */
  unknown = 0;
  readonly #ledger: Ledger;
  readonly #steps: Step[] = [];

  /** Takes a key that was never used before. */
  constructor(ledger: Ledger, key: string, server: number) {
    this.#ledger = ledger;
    this.key = key;
    this.server = server;
  }

  /** How many steps there were. */
  get length(): number {
    return this.#steps.length;
  }

  /** Begins a store of a value with so much padding, or with none a deletion. */
  begin(size: number | undefined): Step {
    const step: Step = {
      version: this.#steps.length + 1,
      size,
      from: this.#ledger.tick(),
      to: Infinity,
      fate: "open",
    };
    this.#steps.push(step);
    return step;
  }

  /** Ends a step. */
  end(step: Step, fate: Exclude<Fate, "open">): void {
    step.fate = fate;
    step.to = this.#ledger.tick();
    if (fate === "unknown") this.unknown++;
  }

  /** The value that a step stores. */
  value(step: Step): string {
    return valueOf(this.key, step.version, step.size ?? 0);
  }

  /** Judges what a read found; `undefined` for a miss. */
  judge(span: Span, found: unknown, call: string): void {
    this.#ledger.judged++;
    const fault = found === undefined
      ? this.#faultOfMiss(span)
      : this.#faultOfHit(span, found);
    if (fault !== undefined) {
      this.#ledger.complain(`${call} of ${this.key}: ${fault}`);
    }
  }

  /** Judges an answer that says only whether the key is there. */
  judgePresence(span: Span, there: boolean, call: string): void {
    this.#ledger.judged++;
    const fault = !there
      ? this.#faultOfMiss(span)
      : this.#steps.some((step) =>
          step.size !== undefined && this.#may(step, span)
        )
      ? undefined
      : "is there, and cannot be";
    if (fault !== undefined) {
      this.#ledger.complain(`${call} of ${this.key}: ${fault}`);
    }
  }

  /** Judges that a server refused a change for which nothing spoke against. */
  judgeRefusal(span: Span, call: string): void {
    this.#ledger.judged++;
    const others = !this.#ledger.strict || this.unknown > 0 ||
      this.#ledger.kept(this.server, span.to) > span.from;
    if (!others) {
      this.#ledger.complain(`${call} of ${this.key}: refused for no reason`);
    }
  }

  #faultOfMiss(span: Span): string | undefined {
    const needed = this.#needed(span);
    if (!this.#ledger.strict || needed === undefined) return undefined;
    const deletable = this.#steps.some((step) =>
      step.size === undefined && this.#may(step, span)
    );
    return deletable ? undefined : `lost version ${needed.version}`;
  }

  #faultOfHit(span: Span, found: unknown): string | undefined {
    if (typeof found !== "string") return `found ${typeof found}`;
    const seen = found.length > 80 ? `${found.slice(0, 80)}…` : found;
    const [key, number] = found.split(" ", 2);
    if (key !== this.key) return `found the value of another key: ${seen}`;
    const step = this.#steps[Number(number) - 1];
    if (step?.size === undefined) return `found what nobody stored: ${seen}`;
    if (found !== this.value(step)) {
      return `found a damaged value of ${found.length} characters: ${seen}`;
    }
    if (this.#may(step, span)) return undefined;
    const { version, fate } = step;
    const needed = this.#needed(span)?.version;
    return `found version ${version} (${fate}) at ${span.from} to ${span.to}, ` +
      `needed at least ${needed}; ${this.#describe()}`;
  }

  /** The last version that the read cannot have come before, nor lost. */
  #needed(span: Span): Step | undefined {
    const kept = this.#ledger.kept(this.server, span.to);
    return this.#steps.findLast((step) =>
      step.fate === "done" && step.from > kept && step.to < span.from
    );
  }

  /** Whether what a step did may be seen. */
  #may(step: Step, span: Span): boolean {
    if (step.fate === "never" || step.from > span.to) return false;
    if (!this.#ledger.strict) return true;
    if (step.to < this.#ledger.forgotten(this.server, span.from)) return false;
    if (step.fate === "unknown") return true;
    return step.version >= (this.#needed(span)?.version ?? 0);
  }

  #describe(): string {
    return this.#steps.slice(-6).map((step) =>
      `${step.version}${step.size === undefined ? "x" : ""} ${step.fate} ` +
      `${step.from} to ${step.to}`
    ).join(", ");
  }
}

/** The value of a version of a key: whatever is cut, mixed or foreign shows. */
export function valueOf(key: string, version: number, size: number): string {
  const word = `${key}#${version}.`;
  const padding = word.repeat(Math.ceil(size / word.length)).slice(0, size);
  return `${key} ${version} ${
    checksum(`${key} ${version} ${padding}`)
  } ${padding}`;
}

/** FNV-1a over the characters of a text, in 32 bits. */
export function checksum(text: string): number {
  let sum = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) {
    sum = Math.imul(sum ^ text.charCodeAt(i), 0x01000193);
  }
  return sum >>> 0;
}
